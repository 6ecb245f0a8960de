package edge

import (
	"net"
	"strings"
)

// KeyMayGo reports whether an API key may be sent without TLS: to this machine only. host may have a port.
func KeyMayGo(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
