package reductotest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const svixPrefix = "whsec_"

func newSvixSecret() (secret string, key []byte) {
	key = make([]byte, 24)
	_, _ = rand.Read(key) // never fails
	return svixPrefix + base64.StdEncoding.EncodeToString(key), key
}

func svixKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, svixPrefix)
	if !ok {
		return nil, errors.New("the secret does not begin with " + svixPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("the secret is not base64")
	}
	return key, nil
}

// svixHeaders signs a body as Svix does, with HMAC-SHA256 over id, time and body.
func svixHeaders(key []byte, id string, at time.Time, body []byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	h := http.Header{}
	h.Set("Svix-Id", id)
	h.Set("Svix-Timestamp", timestamp)
	h.Set("Svix-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

// SvixSecret returns the secret that signs Svix webhooks.
func (s *Server) SvixSecret() string { return s.cfg.svixSecret }

// svixEndpoint is a receiver of Svix webhooks.
type svixEndpoint struct {
	url      string
	channels []string
}

// AddSvixEndpoint adds a receiver of webhooks with mode "svix", as users of the service
// do in a portal. With channels it receives the webhooks of these channels and those
// without a channel. Without channels it receives all.
func (s *Server) AddSvixEndpoint(url string, channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.svixEndpoints = append(s.svixEndpoints, svixEndpoint{url, slices.Clone(channels)})
}

// targets returns the URLs that receive a webhook. The caller holds the mutex.
func (s *Server) targets(h webhook) []string {
	switch h.mode {
	case "direct":
		return []string{h.url}
	case "svix":
		var urls []string
		for _, e := range s.svixEndpoints {
			if len(e.channels) == 0 || len(h.channels) == 0 ||
				slices.ContainsFunc(h.channels, func(c string) bool { return slices.Contains(e.channels, c) }) {
				urls = append(urls, e.url)
			}
		}
		return urls
	}
	return nil
}
