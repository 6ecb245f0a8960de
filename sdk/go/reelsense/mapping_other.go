//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package reelsense

type mapping struct{ bytes []byte }

func mapFile(path string, size int) (*mapping, error) {
	return nil, &Error{"map " + path, ErrUnsupported, "feedback queues need a Unix system"}
}

func (m *mapping) close() error { return nil }
