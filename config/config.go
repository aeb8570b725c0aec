// Package config is what an operator may choose about the server.
//
// Every setting is a flag and an environment variable; the flag wins, then the
// variable, then the default. The struct tags are those of kong, so the serve
// command embeds Config and gets its flags, its help and its variables from the
// same place that Validate takes the names in its messages from.
package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// LogDir is the folder of the server log in a data directory.
const LogDir = "log"

// Config holds the settings of one server. Sizes are in bytes.
type Config struct {
	Addr           string    `name:"addr" env:"ZENCRYPT_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"Where it listens" help:"Address to listen on. Other machines reach it only when HOST is not 127.0.0.1."`
	Origin         string    `name:"origin" env:"ZENCRYPT_ORIGIN" placeholder:"URL" group:"Where it listens" help:"Address people type, such as https://zen.example. Needed unless they are on this machine."`
	AllowHTTP      Switch    `name:"allow-http" env:"ZENCRYPT_ALLOW_HTTP" default:"off" placeholder:"on|off" group:"Where it listens" help:"Allow an origin of http:// beyond this machine (an onion address, a trusted network). Every page says so."`
	TrustedProxies []Network `name:"trusted-proxies" env:"ZENCRYPT_TRUSTED_PROXIES" placeholder:"CIDR" group:"Where it listens" help:"Networks of reverse proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`

	Domain        []string `name:"domain" env:"ZENCRYPT_DOMAIN" placeholder:"NAME" group:"TLS of its own" help:"Name of this server in the DNS: it gets and renews certificates by itself, listens on :443, and sends :80 there."`
	ACMEDirectory string   `name:"acme-directory" env:"ZENCRYPT_ACME_DIRECTORY" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" group:"TLS of its own" help:"Certificate authority that --domain asks. Asking accepts its terms of service."`
	TLSCert       string   `name:"tls-cert" env:"ZENCRYPT_TLS_CERT" placeholder:"FILE" group:"TLS of its own" help:"Certificate chain in PEM, instead of --domain; read again when it changes."`
	TLSKey        string   `name:"tls-key" env:"ZENCRYPT_TLS_KEY" placeholder:"FILE" group:"TLS of its own" help:"Private key in PEM of --tls-cert."`
	RedirectAddr  string   `name:"redirect-addr" env:"ZENCRYPT_REDIRECT_ADDR" placeholder:"HOST:PORT" group:"TLS of its own" help:"Where http:// is sent to https://. With --domain, :80; 'off' for none."`

	Data          string `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" group:"What it keeps" help:"Directory of the databases and the encrypted files."`
	Secrets       string `name:"secrets" env:"ZENCRYPT_SECRETS" placeholder:"DIR" group:"What it keeps" help:"Directory of the server key. Otherwise the first with a key of $$CREDENTIALS_DIRECTORY, /run/secrets, /etc/secrets, ./secrets."`
	ServerKeyFile string `name:"server-key-file" env:"ZENCRYPT_SERVER_KEY_FILE" placeholder:"FILE" group:"What it keeps" help:"File of the server key, where a platform mounts it under a name of its own; older ones beside it are FILE.1 and so on. Instead of --secrets; never made."`
	SharedSecrets Switch `name:"shared-secrets" env:"ZENCRYPT_SHARED_SECRETS" default:"off" placeholder:"on|off" group:"What it keeps" help:"Accept a server key that other users of this machine can read."`

	Guests              Switch        `name:"guests" env:"ZENCRYPT_GUESTS" default:"on" placeholder:"on|off" group:"Who may use it" help:"Let people without an account hash, encrypt and decrypt."`
	RequireSecondFactor Switch        `name:"require-second-factor" env:"ZENCRYPT_REQUIRE_SECOND_FACTOR" default:"off" placeholder:"on|off" group:"Who may use it" help:"Ask everybody with an account for a second factor: who has none sets one up at the next log-in."`
	Registration        string        `name:"registration" env:"ZENCRYPT_REGISTRATION" default:"open" placeholder:"open|invite|closed" group:"Who may use it" help:"Who may make an account: anybody (open), who has an invitation link (invite), or only 'zencrypt user add' (closed)."`
	SessionIdle         time.Duration `name:"session-idle" env:"ZENCRYPT_SESSION_IDLE" default:"30m" placeholder:"TIME" group:"Who may use it" help:"A session unused for this long ends."`
	SessionMax          time.Duration `name:"session-max" env:"ZENCRYPT_SESSION_MAX" default:"12h" placeholder:"TIME" group:"Who may use it" help:"A session ends after this long, used or not."`

	MaxUpload    Size          `name:"max-upload" env:"ZENCRYPT_MAX_UPLOAD" default:"10GiB" placeholder:"SIZE" group:"How much it takes" help:"Largest upload."`
	SpoolMax     Size          `name:"spool-max" env:"ZENCRYPT_SPOOL_MAX" default:"50GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for all waiting results together."`
	GuestQuota   Size          `name:"guest-quota" env:"ZENCRYPT_GUEST_QUOTA" default:"1GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for one guest's waiting results."`
	AccountQuota Size          `name:"account-quota" env:"ZENCRYPT_ACCOUNT_QUOTA" default:"20GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for one account's vault and waiting results."`
	MinFreeDisk  Size          `name:"min-free-disk" env:"ZENCRYPT_MIN_FREE_DISK" default:"1GiB" placeholder:"SIZE" group:"How much it takes" help:"Refuse uploads that would leave less free disk than this. Below half of it nothing is saved."`
	ResultTTL    time.Duration `name:"result-ttl" env:"ZENCRYPT_RESULT_TTL" default:"1h" placeholder:"TIME" group:"How much it takes" help:"How long a file result waits for its download."`
	KDFMemory    Size          `name:"kdf-memory" env:"ZENCRYPT_KDF_MEMORY" default:"448MiB" placeholder:"SIZE" group:"How much it takes" help:"Memory for all password hashing (argon2id, scrypt) at one time."`
	KDFReserve   Size          `name:"kdf-reserve" env:"ZENCRYPT_KDF_RESERVE" default:"128MiB" placeholder:"SIZE" group:"How much it takes" help:"Part of --kdf-memory that only log-in may use."`

	ActivityKeep time.Duration `name:"activity-keep" env:"ZENCRYPT_ACTIVITY_KEEP" default:"8760h" placeholder:"TIME" group:"What it remembers" help:"How long each account's own list of events is kept."`
	ServerLog    string        `name:"server-log" env:"ZENCRYPT_SERVER_LOG" placeholder:"FILE" group:"What it remembers" help:"File of the server log, whose lines are chained by MACs. Default: log/server.jsonl in --data."`
	LogKeep      time.Duration `name:"log-keep" env:"ZENCRYPT_LOG_KEEP" default:"8760h" placeholder:"TIME" group:"What it remembers" help:"How long lines of the server log are kept; 0s keeps all."`
	LogAnchor    []string      `name:"log-anchor" env:"ZENCRYPT_LOG_ANCHOR" placeholder:"PLACE" group:"What it remembers" help:"Second places that get signed heads of the server log, by comma: a file, best on another disk and append-only, syslog, or syslog:SOCKET. Default: log/heads.jsonl in --data, which shows only that the log alone was cut."`
	LogEvery     int           `name:"log-anchor-every" env:"ZENCRYPT_LOG_ANCHOR_EVERY" default:"64" placeholder:"LINES" group:"What it remembers" help:"Lines of the server log between two heads. Those after the last head can be cut off unseen."`

	MetricsAddr   string `name:"metrics-addr" env:"ZENCRYPT_METRICS_ADDR" default:"off" placeholder:"HOST:PORT" group:"Who watches it" help:"Second address, for Prometheus: /metrics, such as 127.0.0.1:9464 or unix:FILE. It tells of no person; 'off' for none."`
	MetricsRemote Switch `name:"metrics-remote" env:"ZENCRYPT_METRICS_REMOTE" default:"off" placeholder:"on|off" group:"Who watches it" help:"Allow a --metrics-addr that other machines reach. Whoever reaches it may read how much goes on here."`

	LogFormat string `name:"log-format" env:"ZENCRYPT_LOG_FORMAT" default:"auto" placeholder:"auto|text|json" group:"What it says" help:"Form of the log; auto is text on a terminal and JSON otherwise."`
	LogLevel  string `name:"log-level" env:"ZENCRYPT_LOG_LEVEL" default:"info" placeholder:"LEVEL" group:"What it says" help:"Least important line to log: debug, info, warn or error."`
}

// Default is the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Addr: "127.0.0.1:8080",
		Data: "./data",

		ACMEDirectory: "https://acme-v02.api.letsencrypt.org/directory",

		Guests:       true,
		Registration: "open",
		SessionIdle:  30 * time.Minute,
		SessionMax:   12 * time.Hour,
		MaxUpload:    10 << 30,
		SpoolMax:     50 << 30,
		GuestQuota:   1 << 30,
		AccountQuota: 20 << 30,
		MinFreeDisk:  1 << 30,
		ResultTTL:    time.Hour,
		KDFMemory:    448 << 20,
		KDFReserve:   128 << 20,
		ActivityKeep: 365 * 24 * time.Hour,
		LogKeep:      365 * 24 * time.Hour,
		LogEvery:     64,
		MetricsAddr:  "off",
		LogFormat:    "auto",
		LogLevel:     "info",
	}
}

// Settled fills in what follows from Domain: a server with a name of its own is https:// on the standard ports,
// unless something else was asked for.
func (c Config) Settled() Config {
	if len(c.Domain) == 0 {
		return c
	}
	if c.Addr == Default().Addr {
		c.Addr = ":443"
	}
	if c.Origin == "" {
		c.Origin = "https://" + strings.ToLower(c.Domain[0])
	}
	if c.RedirectAddr == "" {
		c.RedirectAddr = ":80"
	}
	return c
}

// OwnTLS reports whether the server does TLS itself.
func (c Config) OwnTLS() bool { return len(c.Domain) > 0 || c.TLSCert != "" }

// Loopback reports whether people reach the server from this machine only: the
// configured origin names this machine or, without one, Addr does. A server on
// 127.0.0.1 behind a proxy with an origin of its own is therefore not loopback.
func (c Config) Loopback() bool {
	if c.Origin != "" {
		u, err := url.Parse(c.Origin)
		return err == nil && loopbackHost(u.Hostname())
	}
	host, _, err := net.SplitHostPort(c.Addr)
	return err == nil && loopbackHost(host)
}

// HTTPS reports whether the configured origin is https://, which is what decides
// on Secure cookies and HSTS; a forwarded header never does.
func (c Config) HTTPS() bool { return strings.HasPrefix(c.Origin, "https://") }

// InData reports whether dir is c.Data or lies below it. The server key must not:
// who copies the data would copy the key along.
func (c Config) InData(dir string) bool {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	rel, err := filepath.Rel(data, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// SecretsAt is the file or the directory of the server key, "" when it has to be looked for.
func (c Config) SecretsAt() string {
	if c.ServerKeyFile != "" {
		return c.ServerKeyFile
	}
	return c.Secrets
}

// ServerLogFile is where the server log stands.
func (c Config) ServerLogFile() string {
	if c.ServerLog != "" {
		return c.ServerLog
	}
	return filepath.Join(c.Data, LogDir, "server.jsonl")
}

// MetricsListener is what the metrics are served on, "tcp" and HOST:PORT or "unix" and a path; network is "" for none.
func (c Config) MetricsListener() (network, addr string) {
	if c.MetricsAddr == "" || c.MetricsAddr == "off" {
		return "", ""
	}
	if path, ok := strings.CutPrefix(c.MetricsAddr, "unix:"); ok {
		return "unix", path
	}
	return "tcp", c.MetricsAddr
}

// LogAnchors are the second places of the server log's heads.
func (c Config) LogAnchors() []string {
	if len(c.LogAnchor) > 0 {
		return c.LogAnchor
	}
	return []string{filepath.Join(c.Data, LogDir, "heads.jsonl")}
}

// loopbackHost knows the names that no resolver can send elsewhere: IP addresses
// and localhost (RFC 6761, section 6.3). An empty host listens everywhere.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
