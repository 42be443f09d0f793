package reductotest

import "github.com/reducto-go/reducto"

// Client is a client of the server: its URL, its API key and a transport that
// reaches it. Further options come after those and win. An option that the
// client refuses ends the test, or panics if the server was made by [Start].
func (s *Server) Client(opts ...reducto.Option) *reducto.Client {
	client, err := reducto.NewClient(append([]reducto.Option{
		reducto.WithBaseURL(s.URL()),
		reducto.WithAPIKey(s.APIKey()),
		reducto.WithHTTPClient(s.HTTPClient()),
	}, opts...)...)
	if err != nil {
		s.fatalf("Client: %v", err)
		return nil
	}
	return client
}
