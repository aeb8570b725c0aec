//go:build !race

package importer

const raceBuild = false
