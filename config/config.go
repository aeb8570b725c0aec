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

// Config holds the settings of one server. Sizes are in bytes.
type Config struct {
	Addr           string         `name:"addr" env:"ZENCRYPT_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"Where it listens" help:"Address to listen on. Other machines reach it only when HOST is not 127.0.0.1."`
	Origin         string         `name:"origin" env:"ZENCRYPT_ORIGIN" placeholder:"URL" group:"Where it listens" help:"Address people type, such as https://zen.example. Needed unless they are on this machine."`
	AllowHTTP      Switch         `name:"allow-http" env:"ZENCRYPT_ALLOW_HTTP" default:"off" placeholder:"on|off" group:"Where it listens" help:"Allow an origin of http:// beyond this machine (an onion address, a trusted network). Every page says so."`
	TrustedProxies []netip.Prefix `name:"trusted-proxies" env:"ZENCRYPT_TRUSTED_PROXIES" placeholder:"CIDR" group:"Where it listens" help:"Networks of reverse proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`

	Data          string `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" group:"What it keeps" help:"Directory of the databases and the encrypted files."`
	Secrets       string `name:"secrets" env:"ZENCRYPT_SECRETS" placeholder:"DIR" group:"What it keeps" help:"Directory of the server key. Otherwise the first with a key of $$CREDENTIALS_DIRECTORY, /run/secrets, /etc/secrets, ./secrets."`
	SharedSecrets Switch `name:"shared-secrets" env:"ZENCRYPT_SHARED_SECRETS" default:"off" placeholder:"on|off" group:"What it keeps" help:"Accept a server key that other users of this machine can read."`

	Guests       Switch        `name:"guests" env:"ZENCRYPT_GUESTS" default:"on" placeholder:"on|off" group:"Who may use it" help:"Let people without an account hash, encrypt and decrypt."`
	Registration string        `name:"registration" env:"ZENCRYPT_REGISTRATION" default:"open" placeholder:"open|invite|closed" group:"Who may use it" help:"Who may make an account: anybody (open), who has an invitation link (invite), or only 'zencrypt user add' (closed)."`
	SessionIdle  time.Duration `name:"session-idle" env:"ZENCRYPT_SESSION_IDLE" default:"30m" placeholder:"TIME" group:"Who may use it" help:"A session unused for this long ends."`
	SessionMax   time.Duration `name:"session-max" env:"ZENCRYPT_SESSION_MAX" default:"12h" placeholder:"TIME" group:"Who may use it" help:"A session ends after this long, used or not."`

	MaxUpload    Size          `name:"max-upload" env:"ZENCRYPT_MAX_UPLOAD" default:"10GiB" placeholder:"SIZE" group:"How much it takes" help:"Largest upload."`
	SpoolMax     Size          `name:"spool-max" env:"ZENCRYPT_SPOOL_MAX" default:"50GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for all waiting results together."`
	GuestQuota   Size          `name:"guest-quota" env:"ZENCRYPT_GUEST_QUOTA" default:"1GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for one guest's waiting results."`
	AccountQuota Size          `name:"account-quota" env:"ZENCRYPT_ACCOUNT_QUOTA" default:"20GiB" placeholder:"SIZE" group:"How much it takes" help:"Disk for one account's vault and waiting results."`
	MinFreeDisk  Size          `name:"min-free-disk" env:"ZENCRYPT_MIN_FREE_DISK" default:"1GiB" placeholder:"SIZE" group:"How much it takes" help:"Refuse uploads that would leave less free disk than this."`
	ResultTTL    time.Duration `name:"result-ttl" env:"ZENCRYPT_RESULT_TTL" default:"1h" placeholder:"TIME" group:"How much it takes" help:"How long a file result waits for its download."`
	KDFMemory    Size          `name:"kdf-memory" env:"ZENCRYPT_KDF_MEMORY" default:"448MiB" placeholder:"SIZE" group:"How much it takes" help:"Memory for all password hashing (argon2id, scrypt) at one time."`
	KDFReserve   Size          `name:"kdf-reserve" env:"ZENCRYPT_KDF_RESERVE" default:"128MiB" placeholder:"SIZE" group:"How much it takes" help:"Part of --kdf-memory that only log-in may use."`

	LogFormat string `name:"log-format" env:"ZENCRYPT_LOG_FORMAT" default:"auto" placeholder:"auto|text|json" group:"What it says" help:"Form of the log; auto is text on a terminal and JSON otherwise."`
	LogLevel  string `name:"log-level" env:"ZENCRYPT_LOG_LEVEL" default:"info" placeholder:"LEVEL" group:"What it says" help:"Least important line to log: debug, info, warn or error."`
}

// Default is the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Addr:         "127.0.0.1:8080",
		Data:         "./data",
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
		LogFormat:    "auto",
		LogLevel:     "info",
	}
}

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

// loopbackHost knows the names that no resolver can send elsewhere: IP addresses
// and localhost (RFC 6761, section 6.3). An empty host listens everywhere.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
