package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"zencrypt/config"
)

// parse reads flags and the environment as the serve command does.
func parse(t *testing.T, c *config.Config, args ...string) error {
	t.Helper()
	k, err := kong.New(&struct{ *config.Config }{c}, kong.Exit(func(int) { t.Error("the parser exited") }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return err
}

func network(s string) config.Network { return config.Network{Prefix: netip.MustParsePrefix(s)} }

func show(c config.Config) string { return fmt.Sprintf("%+v", c) }

// The tags are what the command reads, Default is what tests and other callers
// use: they must not drift apart.
func TestConfig_Default(t *testing.T) {
	var got config.Config
	if err := parse(t, &got); err != nil {
		t.Fatal(err)
	}
	if a, b := show(got), show(config.Default()); a != b {
		t.Errorf("kong's defaults differ from Default:\n%s\n%s", a, b)
	}
	if err := config.Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfig_Tags(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		name := f.Tag.Get("name")
		if want := "ZENCRYPT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")); name == "" || f.Tag.Get("env") != want {
			t.Errorf("%s: flag %q, variable %q, want %s", f.Name, name, f.Tag.Get("env"), want)
		}
		for _, tag := range []string{"help", "placeholder", "group"} {
			if f.Tag.Get(tag) == "" {
				t.Errorf("%s has no %s", f.Name, tag)
			}
		}
	}
}

func TestConfig_Parse(t *testing.T) {
	t.Run("FlagOverVariableOverDefault", func(t *testing.T) {
		t.Setenv("ZENCRYPT_MAX_UPLOAD", "500MB")
		t.Setenv("ZENCRYPT_GUESTS", "off")
		t.Setenv("ZENCRYPT_SESSION_IDLE", "10m")
		t.Setenv("ZENCRYPT_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8")
		var c config.Config
		if err := parse(t, &c, "--max-upload=2GiB", "--allow-http", "on", "--addr=[::1]:0"); err != nil {
			t.Fatal(err)
		}
		want := config.Default()
		want.MaxUpload, want.Guests, want.SessionIdle, want.AllowHTTP, want.Addr = 2<<30, false, 10*time.Minute, true, "[::1]:0"
		want.TrustedProxies = []config.Network{network("10.0.0.0/8"), network("fd00::/8")}
		if show(c) != show(want) {
			t.Errorf("got\n%s, want\n%s", show(c), show(want))
		}
	})
	for _, arg := range []string{"--max-upload=lots", "--max-upload=-1", "--guests=maybe", "--session-idle=30", "--trusted-proxies=10.0.0.1", "--unknown=1"} {
		t.Run(arg, func(t *testing.T) {
			var c config.Config
			flag, _, _ := strings.Cut(arg, "=")
			if err := parse(t, &c, arg); err == nil || !strings.Contains(err.Error(), flag) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestConfig_Validate(t *testing.T) {
	cwd, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(c *config.Config)
		want   []string // "" = valid; else what the message holds
	}{
		"Default":          {func(c *config.Config) {}, nil},
		"AddrPortZero":     {func(c *config.Config) { c.Addr = "127.0.0.1:0" }, nil},
		"AddrIPv6":         {func(c *config.Config) { c.Addr = "[::1]:8080" }, nil},
		"AddrLocalhost":    {func(c *config.Config) { c.Addr = "localhost:8080" }, nil},
		"AddrOther127":     {func(c *config.Config) { c.Addr = "127.0.0.2:8080" }, nil},
		"AddrEmpty":        {func(c *config.Config) { c.Addr = "" }, []string{"--addr", "ZENCRYPT_ADDR", "127.0.0.1:8080"}},
		"AddrNoPort":       {func(c *config.Config) { c.Addr = "127.0.0.1" }, []string{"--addr"}},
		"AddrPortTooLarge": {func(c *config.Config) { c.Addr = "127.0.0.1:65536" }, []string{"--addr"}},
		"AddrPortName":     {func(c *config.Config) { c.Addr = "127.0.0.1:http" }, []string{"--addr"}},
		"AddrBareIPv6":     {func(c *config.Config) { c.Addr = "::1:8080" }, []string{"--addr", "[::1]:8080"}},

		"PublicNeedsOrigin":   {func(c *config.Config) { c.Addr = "0.0.0.0:8080" }, []string{"--origin", "ZENCRYPT_ORIGIN", "https://zen.example"}},
		"AnyNeedsOrigin":      {func(c *config.Config) { c.Addr = ":8080" }, []string{"--origin"}},
		"NameNeedsOrigin":     {func(c *config.Config) { c.Addr = "zen.example:8080" }, []string{"--origin"}},
		"Public":              {func(c *config.Config) { c.Addr, c.Origin = ":8080", "https://zen.example" }, nil},
		"Proxied":             {func(c *config.Config) { c.Origin = "https://zen.example:8443" }, nil},
		"Container":           {func(c *config.Config) { c.Addr, c.Origin = ":8080", "http://localhost:8080" }, nil},
		"OriginIPv6":          {func(c *config.Config) { c.Origin = "https://[2001:db8::1]:8443" }, nil},
		"HTTP":                {func(c *config.Config) { c.Origin = "http://zen.example" }, []string{"--origin", "--allow-http=on"}},
		"HTTPAllowed":         {func(c *config.Config) { c.Origin, c.AllowHTTP = "http://abc.onion", true }, nil},
		"HTTPLookalike":       {func(c *config.Config) { c.Origin = "http://localhost.example" }, []string{"--allow-http"}},
		"HTTPLookalikeIP":     {func(c *config.Config) { c.Origin = "http://127.0.0.1.example" }, []string{"--allow-http"}},
		"OriginPath":          {func(c *config.Config) { c.Origin = "https://zen.example/app" }, []string{"write it as https://zen.example"}},
		"OriginSlash":         {func(c *config.Config) { c.Origin = "https://zen.example/" }, []string{"write it as https://zen.example"}},
		"OriginUpper":         {func(c *config.Config) { c.Origin = "https://Zen.Example" }, []string{"write it as https://zen.example"}},
		"OriginDefaultPort":   {func(c *config.Config) { c.Origin = "https://zen.example:443" }, []string{"write it as https://zen.example"}},
		"OriginHTTPPort":      {func(c *config.Config) { c.Origin, c.AllowHTTP = "http://zen.example:80", true }, []string{"write it as http://zen.example"}},
		"OriginQuery":         {func(c *config.Config) { c.Origin = "https://zen.example?x=1" }, []string{"write it as"}},
		"OriginNoScheme":      {func(c *config.Config) { c.Origin = "zen.example" }, []string{"--origin", "scheme"}},
		"OriginOtherScheme":   {func(c *config.Config) { c.Origin = "ftp://zen.example" }, []string{"scheme"}},
		"OriginNoHost":        {func(c *config.Config) { c.Origin = "https://" }, []string{"scheme"}},
		"OriginUser":          {func(c *config.Config) { c.Origin = "https://me@zen.example" }, []string{"scheme"}},
		"OriginControl":       {func(c *config.Config) { c.Origin = "https://zen\x00.example" }, []string{"scheme"}},
		"DataEmpty":           {func(c *config.Config) { c.Data = "" }, []string{"--data", "./data"}},
		"SecretsBeside":       {func(c *config.Config) { c.Secrets = "./secrets" }, nil},
		"SecretsBesidePrefix": {func(c *config.Config) { c.Secrets = "./data-secrets" }, nil},
		"SecretsDots":         {func(c *config.Config) { c.Data, c.Secrets = "./data", "./data/../..secrets" }, nil},
		"SecretsInData":       {func(c *config.Config) { c.Secrets = "./data/secrets" }, []string{"--secrets", "outside --data"}},
		"SecretsAreData":      {func(c *config.Config) { c.Secrets = "data/" }, []string{"--secrets"}},
		"SecretsInDataAbs":    {func(c *config.Config) { c.Secrets = filepath.Join(cwd, "data", "x") }, []string{"--secrets"}},

		"ActivityShort":  {func(c *config.Config) { c.ActivityKeep = time.Hour }, []string{"--activity-keep", "8760h"}},
		"LogKeepAll":     {func(c *config.Config) { c.LogKeep = 0 }, nil},
		"LogKeepShort":   {func(c *config.Config) { c.LogKeep = time.Minute }, []string{"--log-keep"}},
		"LogEveryZero":   {func(c *config.Config) { c.LogEvery = 0 }, []string{"--log-anchor-every"}},
		"LogEveryMuch":   {func(c *config.Config) { c.LogEvery = 10001 }, []string{"--log-anchor-every"}},
		"LogAnchor":      {func(c *config.Config) { c.LogAnchor = []string{"/mnt/other/heads", "syslog"} }, nil},
		"LogAnchorEmpty": {func(c *config.Config) { c.LogAnchor = []string{""} }, []string{"--log-anchor"}},
		"LogAnchorSelf":  {func(c *config.Config) { c.LogAnchor = []string{"data/log/server.jsonl"} }, []string{"--log-anchor", "not the log itself"}},

		"DomainAlone":   {func(c *config.Config) { c.Domain = []string{"zen.example"} }, nil},
		"DomainTwo":     {func(c *config.Config) { c.Domain = []string{"zen.example", "www.zen.example"} }, nil},
		"DomainASCII":   {func(c *config.Config) { c.Domain = []string{"xn--bcher-kva.example"} }, nil},
		"DomainAccents": {func(c *config.Config) { c.Domain = []string{"bücher.example"} }, []string{"--domain", "write it as xn--bcher-kva.example"}},
		"DomainDots":    {func(c *config.Config) { c.Domain = []string{"zen..example"} }, []string{"--domain"}},
		"DomainEnd":     {func(c *config.Config) { c.Domain = []string{"zen.example."} }, []string{"--domain"}},
		"DomainDash":    {func(c *config.Config) { c.Domain = []string{"-zen.example"} }, []string{"--domain"}},
		"DomainSpace":   {func(c *config.Config) { c.Domain = []string{"zen.example "} }, []string{"--domain"}},
		"DomainPort":    {func(c *config.Config) { c.Domain, c.Origin = []string{"zen.example"}, "https://zen.example:8443" }, nil},
		"DomainOther":   {func(c *config.Config) { c.Domain, c.Origin = []string{"zen.example"}, "https://other.example" }, []string{"--origin", "of --domain"}},
		"DomainBehind": {func(c *config.Config) {
			c.Domain, c.Origin, c.TrustedProxies = []string{"zen.example"}, "https://other.example", []config.Network{network("10.0.0.0/8")}
		}, nil},
		"OriginAccents":   {func(c *config.Config) { c.Origin = "https://bücher.example" }, []string{"write it as https://xn--bcher-kva.example"}},
		"OriginPort":      {func(c *config.Config) { c.Origin = "https://zen.example:99999" }, []string{"--origin", "port"}},
		"OriginPortZero":  {func(c *config.Config) { c.Origin = "https://zen.example:0" }, []string{"--origin", "port"}},
		"OriginNoPort":    {func(c *config.Config) { c.Origin = "https://zen.example:" }, []string{"write it as https://zen.example"}},
		"OriginUnderline": {func(c *config.Config) { c.Origin = "https://zen_1.example" }, nil},
		"DomainUpper":     {func(c *config.Config) { c.Domain = []string{"Zen.example"} }, []string{"--domain", "lower case"}},
		"KeyFile":         {func(c *config.Config) { c.ServerKeyFile = "/run/secrets/zen" }, nil},
		"KeyFileInData":   {func(c *config.Config) { c.ServerKeyFile = "data/zen" }, []string{"--server-key-file", "outside --data"}},
		"KeyFileTwice":    {func(c *config.Config) { c.ServerKeyFile, c.Secrets = "k", "s" }, []string{"--server-key-file", "not --secrets too"}},
		"MetricsOff":      {func(c *config.Config) { c.MetricsAddr = "" }, nil},
		"Metrics":         {func(c *config.Config) { c.MetricsAddr = "127.0.0.1:9464" }, nil},
		"MetricsIPv6":     {func(c *config.Config) { c.MetricsAddr = "[::1]:9464" }, nil},
		"MetricsSocket":   {func(c *config.Config) { c.MetricsAddr = "unix:/run/zencrypt/metrics.sock" }, nil},
		"MetricsRemote":   {func(c *config.Config) { c.MetricsAddr, c.MetricsRemote = ":9464", true }, nil},
		"MetricsPublic":   {func(c *config.Config) { c.MetricsAddr = "10.0.0.1:9464" }, []string{"--metrics-addr", "ZENCRYPT_METRICS_ADDR", "--metrics-remote=on"}},
		"MetricsAny":      {func(c *config.Config) { c.MetricsAddr = ":9464" }, []string{"--metrics-addr", "--metrics-remote=on"}},
		"MetricsName":     {func(c *config.Config) { c.MetricsAddr = "localhost.example:9464" }, []string{"--metrics-remote=on"}},
		"MetricsNoPort":   {func(c *config.Config) { c.MetricsAddr = "127.0.0.1" }, []string{"--metrics-addr", "HOST:PORT"}},
		"MetricsSame":     {func(c *config.Config) { c.MetricsAddr = c.Addr }, []string{"other than --addr"}},
		"MetricsNoSocket": {func(c *config.Config) { c.MetricsAddr = "unix:" }, []string{"metrics.sock"}},
		"MetricsInData":   {func(c *config.Config) { c.MetricsAddr = "unix:data/m" }, []string{"outside --data"}},

		"Registration":    {func(c *config.Config) { c.Registration = "Open" }, []string{"--registration", "ZENCRYPT_REGISTRATION", "open, invite, closed"}},
		"Closed":          {func(c *config.Config) { c.Registration = "closed" }, nil},
		"LogFormat":       {func(c *config.Config) { c.LogFormat = "xml" }, []string{"--log-format", "auto, text, json"}},
		"LogLevel":        {func(c *config.Config) { c.LogLevel = "" }, []string{"--log-level", "debug, info"}},
		"UploadZero":      {func(c *config.Config) { c.MaxUpload = 0 }, []string{"--max-upload", "10GiB"}},
		"SpoolSmall":      {func(c *config.Config) { c.SpoolMax = c.MaxUpload - 1 }, []string{"--spool-max", "10GiB"}},
		"GuestQuota":      {func(c *config.Config) { c.GuestQuota = 0 }, []string{"--guest-quota"}},
		"AccountQuota":    {func(c *config.Config) { c.AccountQuota = -1 }, []string{"--account-quota"}},
		"FreeZero":        {func(c *config.Config) { c.MinFreeDisk = 0 }, nil},
		"FreeNegative":    {func(c *config.Config) { c.MinFreeDisk = -1 }, []string{"--min-free-disk"}},
		"ReserveSmall":    {func(c *config.Config) { c.KDFReserve = 64<<20 - 1 }, []string{"--kdf-reserve", "64MiB"}},
		"MemorySmall":     {func(c *config.Config) { c.KDFMemory = c.KDFReserve + 64<<20 - 1 }, []string{"--kdf-memory"}},
		"MemorySmallest":  {func(c *config.Config) { c.KDFReserve, c.KDFMemory = 64<<20, 128<<20 }, nil},
		"MemoryOverflow":  {func(c *config.Config) { c.KDFReserve, c.KDFMemory = 1<<63-1, 1<<63-1 }, []string{"--kdf-memory"}},
		"IdleZero":        {func(c *config.Config) { c.SessionIdle = 0 }, []string{"--session-idle", "30m"}},
		"IdleAboveMax":    {func(c *config.Config) { c.SessionIdle = 13 * time.Hour }, []string{"--session-idle"}},
		"IdleIsMax":       {func(c *config.Config) { c.SessionIdle = 12 * time.Hour }, nil},
		"MaxLong":         {func(c *config.Config) { c.SessionMax = 721 * time.Hour }, []string{"--session-max", "720h"}},
		"TTLShort":        {func(c *config.Config) { c.ResultTTL = time.Second }, []string{"--result-ttl"}},
		"TTLLong":         {func(c *config.Config) { c.ResultTTL = 25 * time.Hour }, []string{"--result-ttl"}},
		"ProxyEverybody":  {func(c *config.Config) { c.TrustedProxies = []config.Network{network("::/0")} }, []string{"--trusted-proxies"}},
		"ProxyZero":       {func(c *config.Config) { c.TrustedProxies = make([]config.Network, 1) }, []string{"--trusted-proxies"}},
		"ProxySingle":     {func(c *config.Config) { c.TrustedProxies = []config.Network{network("10.0.0.1/32")} }, nil},
		"All":             {func(c *config.Config) { *c = config.Config{} }, []string{"--addr", "--data", "--registration", "--max-upload", "--session-max", "--log-level"}},
		"OnlyAddrAtFault": {func(c *config.Config) { c.Addr = "?" }, []string{"--addr"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			tt.change(&c)
			err := c.Validate()
			if tt.want == nil {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var setting *config.SettingError
			if !errors.As(err, &setting) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("does not say %q: %v", want, err)
				}
			}
			if name != "All" && strings.Contains(err.Error(), "\n") {
				t.Errorf("one mistake has several lines: %v", err)
			}
		})
	}
}

func TestConfig_Loopback(t *testing.T) {
	for _, tt := range []struct {
		addr, origin    string
		loopback, https bool
	}{
		{"127.0.0.1:8080", "", true, false},
		{"[::1]:8080", "", true, false},
		{"[::ffff:127.0.0.1]:8080", "", true, false},
		{"LocalHost:8080", "", true, false},
		{":8080", "", false, false},
		{"0.0.0.0:8080", "", false, false},
		{"[::]:8080", "", false, false},
		{"10.0.0.1:8080", "", false, false},
		{"bad", "", false, false},
		{"127.0.0.1:8080", "https://zen.example", false, true},
		{"127.0.0.1:8080", "http://abc.onion", false, false},
		{":8080", "http://localhost:8080", true, false},
		{":8080", "https://[::1]", true, true},
	} {
		c := config.Config{Addr: tt.addr, Origin: tt.origin}
		if c.Loopback() != tt.loopback || c.HTTPS() != tt.https {
			t.Errorf("%s %s: loopback %v, https %v", tt.addr, tt.origin, c.Loopback(), c.HTTPS())
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]config.Size{
		"0": 0, "1024": 1024, " 1024 ": 1024, "9223372036854775807": 1<<63 - 1, "9007199254740993": 1<<53 + 1,
		"1KiB": 1 << 10, "10GiB": 10 << 30, "10gib": 10 << 30, "10 GiB": 10 << 30, "1.5GiB": 3 << 29,
		"500MB": 500_000_000, "1kB": 1000, "2TB": 2_000_000_000_000,
	} {
		var s config.Size = -1
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%q: got %d, %v; want %d", in, s, err, want)
		}
	}
	for _, in := range []string{"", " ", "-1", "-1GiB", "GiB", "ten", "1XB", "8EiB", "9223372036854775808", "1e400", "1,5GiB", "0x10", "NaN", "1\x00"} {
		var s config.Size = 7
		if err := s.UnmarshalText([]byte(in)); err == nil || s != 7 {
			t.Errorf("%q: got %d, %v", in, s, err)
		}
	}
	for n, want := range map[config.Size]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 448 << 20: "448MiB", 10 << 30: "10GiB", 3 << 29: "1536MiB",
		500_000_001: "500000001", 1 << 60: "1EiB", 1<<63 - 1: "9223372036854775807", -1: "-1",
	} {
		if got := n.String(); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
	// Whatever String writes is read as the same number.
	for _, n := range []config.Size{0, 1, 1000, 500_000_000, 1 << 40, 1<<53 + 1, 5 << 60, 1<<63 - 1, (1<<53 + 1) << 9} {
		var back config.Size
		if err := back.UnmarshalText([]byte(n.String())); err != nil || back != n {
			t.Errorf("%d: %s is read as %d, %v", n, n, back, err)
		}
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", " fd00::/8 ": "fd00::/8", "127.0.0.1/32": "127.0.0.1/32", "::ffff:10.0.0.0/104": "10.0.0.0/8",
	} {
		var n config.Network
		if err := n.UnmarshalText([]byte(in)); err != nil || n.String() != want {
			t.Errorf("%q: got %s, %v", in, n, err)
		}
	}
	for _, in := range []string{"", "127.0.0.1", "caddy", "10.0.0.0/33", "::ffff:10.0.0.0/95", "fe80::1%eth0/64"} {
		var n config.Network
		if err := n.UnmarshalText([]byte(in)); err == nil || n.IsValid() || !strings.Contains(err.Error(), "127.0.0.1/32") {
			t.Errorf("%q: got %s, %v", in, n, err)
		}
	}
}

func TestSwitch(t *testing.T) {
	for in, want := range map[string]config.Switch{
		"on": true, "ON": true, "true": true, "1": true, " on ": true,
		"off": false, "Off": false, "false": false, "0": false,
	} {
		s := !want
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%q: got %v, %v", in, s, err)
		}
	}
	for _, in := range []string{"", "yes", "2", "onn"} {
		s := config.Switch(true)
		if err := s.UnmarshalText([]byte(in)); err == nil || !bool(s) {
			t.Errorf("%q: got %v, %v", in, s, err)
		}
	}
	if config.Switch(true).String() != "on" || config.Switch(false).String() != "off" {
		t.Error("String differs")
	}
}
