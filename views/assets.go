package views

import assets "zencrypt/embed"

// Asset finds an embedded file by the part of its URL after /static/: its bytes, media type and SHA-256
// in hex. Only views know the assets, so that handlers ask here.
func Asset(path string) (data []byte, kind, sum string, ok bool) { return assets.Open(path) }

// AssetURL is where a page finds an embedded file; it holds the content's hash, so it never changes.
func AssetURL(name string) string { return assets.URL(name) }

// AssetSums names every embedded file with its digest.
func AssetSums() (sums []AssetSum) {
	for _, s := range assets.Sums() {
		sums = append(sums, AssetSum{Path: s.Path, Sum: s.SHA256})
	}
	return sums
}
