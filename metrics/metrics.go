// Package metrics writes how the server fares in the text format of Prometheus.
//
// Every server has a registry of its own. What happens (a request, a wait) is told as it happens; what is so at one
// moment (sessions, disk, backup) is asked for at each scrape, by [Options.Read], and a fact that is not known is left
// out rather than written as 0. No label names a person, an address, a key or an item: labels are the routes as they
// are declared, and words of small sets.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are what a server says of itself.
type Options struct {
	Version, Revision string
	// Read is asked at each scrape; what takes long has until ctx ends.
	Read func(ctx context.Context) Reading
}

// readTime bounds what a scrape asks of the databases: Prometheus gives up after 10 s by default, and what is not
// answered by then is left out.
const readTime = 3 * time.Second

// Metrics is what one server has counted. Its methods may be called at the same time.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	waited   *prometheus.HistogramVec
	refused  *prometheus.CounterVec
}

// New makes the metrics of one server.
func New(o Options) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "zencrypt_http_requests_total",
			Help: "Requests that were answered, by method, route and class of the status."}, []string{"method", "route", "class"}),
		// From a page of a warm database to a decryption of gigabytes; an argon2id run takes about 0.1 s.
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "zencrypt_http_request_duration_seconds",
			Help:    "Time from a request's headers until its answer was ready, an upload included and a download's body not.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 10, 60, 600}}, []string{"method", "route"}),
		// The longest wait is 5 s, then the answer is 503.
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "zencrypt_kdf_wait_seconds",
			Help: "Time that slow hashes (argon2id, scrypt) waited for memory, refused ones included.", Buckets: []float64{.001, .01, .1, .5, 1, 2.5, 5}}, []string{"who"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "zencrypt_kdf_refused_total",
			Help: "Slow hashes that were refused, by why: busy, too heavy, or gone (nobody waited any more)."}, []string{"who", "why"}),
	}
	// Known from the first scrape, so that a rate over a refusal that was the first is not lost.
	for _, who := range []string{"guest", "user", "login"} {
		m.waited.WithLabelValues(who)
		for _, why := range []string{"busy", "heavy", "gone"} {
			m.refused.WithLabelValues(who, why)
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "zencrypt_build_info", Help: "1; the labels say which program runs.",
		ConstLabels: prometheus.Labels{"version": o.Version, "revision": o.Revision, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.took, m.waited, m.refused, build, &reader{read: o.Read},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one request. Method and route must be of small sets.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status/100)+"xx").Inc()
	m.took.WithLabelValues(method, route).Observe(took.Seconds())
}

// Wait counts one slow hash that waited; why is "" when it was let in.
func (m *Metrics) Wait(who, why string, waited time.Duration) {
	m.waited.WithLabelValues(who).Observe(waited.Seconds())
	if why != "" {
		m.refused.WithLabelValues(who, why).Inc()
	}
}

// Gatherer is for tests that look at the metrics themselves.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler answers GET /metrics, and nothing else. One scrape at a time is answered, and one waits: more than that is
// no monitoring.
func (m *Metrics) Handler() http.Handler {
	scrape := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 2, DisableCompression: true})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", scrape)
	return mux
}
