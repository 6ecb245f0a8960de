package monitor

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"reelsense.dev/go/reelsense"
)

// RoundTripper calls onResponse with what is known of the connection when a response's headers are there, before anybody
// reads its body. base must dial through this monitor: Transport gives one. On a connection that carries several requests
// at once (HTTP/2) the decision is that of all of them. A response from elsewhere than a seen connection is passed on
// without a call. onResponse runs on the goroutine of RoundTrip and must not touch the body.
func (m *Monitor) RoundTripper(base http.RoundTripper, onResponse func(*http.Response, reelsense.Decision)) http.RoundTripper {
	return &roundTripper{base, onResponse}
}

type roundTripper struct {
	base       http.RoundTripper
	onResponse func(*http.Response, reelsense.Decision)
}

func (r *roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	var used atomic.Pointer[Conn]
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { used.Store(find(info.Conn)) }}
	response, err := r.base.RoundTrip(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return response, err
	}
	if conn := used.Load(); conn != nil {
		if decision, err := conn.Peek(); err == nil {
			r.onResponse(response, decision)
		}
	}
	return response, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (r *roundTripper) CloseIdleConnections() {
	if base, ok := r.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// find gives the Conn below TLS and other wrappers that show what they wrap.
func find(conn net.Conn) *Conn {
	for conn != nil {
		if ours, ok := conn.(*Conn); ok {
			return ours
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = wrapper.NetConn()
	}
	return nil
}
