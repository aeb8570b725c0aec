package config_test

import (
	"slices"
	"testing"

	"zencrypt/config"
)

func TestUnknown(t *testing.T) {
	got := config.Unknown([]string{
		"PATH=/bin", "ZENCRYPT_REGISTRTION=closed", "ZENCRYPT_ADDR=:1", "ZENCRYPT_SERVER_KEY=secret", "ZENCRYPT_SERVER_KEY_FILE=/k", "ZENCRYPT_GUESTS=",
		"ZENCRYPT_BACKUP_TO=/b", "ZENCRYPT_PORT=tcp://10.0.0.1:80", "ZENCRYPT_PORT_80_TCP_ADDR=10.0.0.1", "ZENCRYPT_SERVICE_HOST=10.0.0.1", "zencrypt_addr=x", "ZENCRYPT_",
	})
	if want := []string{"ZENCRYPT_", "ZENCRYPT_REGISTRTION", "ZENCRYPT_SERVER_KEY"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
