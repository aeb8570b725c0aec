package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reading is how a server fares at one moment. Sizes are in bytes. What is not known is nil, and not written.
type Reading struct {
	Started             time.Time
	Connections         int
	Crowded             int64
	Uploads, Downloads  int64
	Received, Sent      uint64
	Refusals            map[string]int64 // by reason
	Running, Waiting    int              // slow hashes
	HashHeld, HashLimit int64
	Spool, SpoolLimit   *int64
	DiskFree, DiskSize  *int64
	DiskFloor           int64
	Database            Database
	Sessions            *int
	Backup              *Backup
	CertificateExpiry   *time.Time // the first of those served
	CertificatesMissing *int       // names that have none yet; nil without TLS of its own
	DatabaseAnswered    bool
}

// Database is how the databases fare.
type Database struct {
	Size, WAL, FreePages int64
	Queue                int
	Writes, Refused      uint64
	WaitCount            uint64
	WaitSeconds          float64
	WaitBuckets          map[float64]uint64 // cumulative, by upper bound in seconds
	ReadOnly             bool
	Upkeep               *time.Time // when it was last done
}

// Backup is the last one.
type Backup struct {
	Age  time.Duration
	Size int64
}

// reader is the collector of a Reading.
type reader struct {
	read func(context.Context) Reading
}

// Describe sends nothing, which makes the collector an unchecked one: which metrics there are depends on what is known.
func (r *reader) Describe(chan<- *prometheus.Desc) {}

// Collect asks for a Reading and writes it.
func (r *reader) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	v := r.read(ctx)
	w := writer{ch}

	w.gauge("zencrypt_start_time_seconds", "When the server was started, in seconds since 1970.", seconds(v.Started))
	w.gauge("zencrypt_http_connections", "Connections that are open.", float64(v.Connections))
	w.counter("zencrypt_http_connections_refused_total", "Connections that were closed unread, as too many of one client.", float64(v.Crowded))
	w.with("direction", "upload").gauge("zencrypt_transfers", "Files on their way in (upload) and out (download).", float64(v.Uploads))
	w.with("direction", "download").gauge("zencrypt_transfers", "Files on their way in (upload) and out (download).", float64(v.Downloads))
	w.counter("zencrypt_http_received_bytes_total", "Bytes that were received, headers included, inside TLS.", float64(v.Received))
	w.counter("zencrypt_http_sent_bytes_total", "Bytes that were sent, headers included, inside TLS.", float64(v.Sent))
	for reason, n := range v.Refusals {
		w.with("reason", reason).counter("zencrypt_refusals_total",
			"Requests that were refused, by reason: guesses and other tries, busy, an account's or guest's quota, no room on the disk or in the spool.", float64(n))
	}
	w.gauge("zencrypt_kdf_running", "Slow hashes (argon2id, scrypt) that run.", float64(v.Running))
	w.gauge("zencrypt_kdf_waiting", "Slow hashes that wait for memory.", float64(v.Waiting))
	w.gauge("zencrypt_kdf_memory_bytes", "Memory that slow hashes hold.", float64(v.HashHeld))
	w.gauge("zencrypt_kdf_memory_limit_bytes", "Memory that they may hold together (--kdf-memory).", float64(v.HashLimit))
	w.whole("zencrypt_spool_bytes", "What results that wait take on the disk.", v.Spool)
	w.whole("zencrypt_spool_limit_bytes", "What they may take (--spool-max).", v.SpoolLimit)
	w.whole("zencrypt_disk_free_bytes", "Free space for the server on the disk of its data.", v.DiskFree)
	w.whole("zencrypt_disk_size_bytes", "Size of that disk.", v.DiskSize)
	w.gauge("zencrypt_disk_floor_bytes", "Free space below which uploads are refused (--min-free-disk).", float64(v.DiskFloor))
	v.Database.write(w)
	w.gauge("zencrypt_database_up", "1 if the databases answered this scrape in time.", number(v.DatabaseAnswered))
	if v.Sessions != nil {
		w.gauge("zencrypt_sessions", "Sessions of people who are logged in.", float64(*v.Sessions))
	}
	if b := v.Backup; b != nil {
		w.gauge("zencrypt_backup_age_seconds", "Time since the last backup began; absent when there was none.", b.Age.Seconds())
		w.gauge("zencrypt_backup_size_bytes", "What was backed up then.", float64(b.Size))
	}
	if v.CertificateExpiry != nil {
		w.gauge("zencrypt_certificate_expiry_timestamp_seconds", "When the first of the certificates that the server has expires, in seconds since 1970; absent without TLS of its own.", seconds(*v.CertificateExpiry))
	}
	if v.CertificatesMissing != nil {
		w.gauge("zencrypt_certificates_missing", "Names of this server for which it has no certificate; absent without TLS of its own.", float64(*v.CertificatesMissing))
	}
}

func (d Database) write(w writer) {
	w.gauge("zencrypt_database_size_bytes", "What the databases take on the disk, without their logs.", float64(d.Size))
	w.gauge("zencrypt_database_wal_bytes", "What their write-ahead logs take.", float64(d.WAL))
	w.gauge("zencrypt_database_free_pages", "Pages of the databases that deletion left, given back to the disk bit by bit.", float64(d.FreePages))
	w.gauge("zencrypt_database_writers_waiting", "Writers that wait for their turn.", float64(d.Queue))
	w.counter("zencrypt_database_writes_total", "Transactions that were committed.", float64(d.Writes))
	w.counter("zencrypt_database_writers_refused_total", "Writers that went without their turn, after a wait in vain.", float64(d.Refused))
	w.histogram("zencrypt_database_write_wait_seconds", "Time that writers waited for their turn.", d.WaitCount, d.WaitSeconds, d.WaitBuckets)
	w.gauge("zencrypt_read_only", "1 while nothing can be saved: the disk is full or failing.", number(d.ReadOnly))
	if d.Upkeep != nil {
		w.gauge("zencrypt_database_upkeep_timestamp_seconds", "When the databases were last looked after, in seconds since 1970.", seconds(*d.Upkeep))
	}
}

// writer sends metrics that are made at the scrape.
type writer struct{ ch chan<- prometheus.Metric }

type labelled struct {
	writer
	name, value string
}

func (w writer) with(name, value string) labelled { return labelled{w, name, value} }

func (w writer) gauge(name, help string, v float64) { labelled{writer: w}.gauge(name, help, v) }

func (w writer) counter(name, help string, v float64) { labelled{writer: w}.counter(name, help, v) }

func (w writer) whole(name, help string, v *int64) {
	if v != nil {
		w.gauge(name, help, float64(*v))
	}
}

func (w writer) histogram(name, help string, count uint64, sum float64, buckets map[float64]uint64) {
	w.ch <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, nil, nil), count, sum, buckets)
}

func (l labelled) gauge(name, help string, v float64) { l.send(prometheus.GaugeValue, name, help, v) }

func (l labelled) counter(name, help string, v float64) {
	l.send(prometheus.CounterValue, name, help, v)
}

func (l labelled) send(kind prometheus.ValueType, name, help string, v float64) {
	if l.name == "" {
		l.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), kind, v)
		return
	}
	l.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, []string{l.name}, nil), kind, v, l.value)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
