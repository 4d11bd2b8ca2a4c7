package cyrusconf

import (
	"errors"
	"testing"
	"time"
)

var lives = map[string]time.Duration{
	"1s": time.Second, "90m": 90 * time.Minute, "24h": 24 * time.Hour, "30d": 720 * time.Hour, "3650d": maxLife, "87600h": maxLife,
	"": 0, "h": 0, "0h": 0, "01h": 0, "-1h": 0, "+1h": 0, "1": 0, "1H": 0, "1w": 0, "1.5h": 0, "1h30m": 0, " 1h": 0, "3651d": 0, "4294967296s": 0, "99999999999999999999h": 0, "1_0h": 0,
}

func TestParseLife(t *testing.T) {
	t.Parallel()
	for text, want := range lives {
		if life, err := ParseLife(text); life != want || errors.Is(err, ErrLife) != (want == 0) {
			t.Errorf("%q: %v, %v, want %v", text, life, err, want)
		}
	}
}

func FuzzParseLife(f *testing.F) {
	for text := range lives {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		life, err := ParseLife(text)
		if err != nil && life != 0 || err == nil && (life < time.Second || life > maxLife) {
			t.Errorf("%q: %v, %v", text, life, err)
		}
	})
}
