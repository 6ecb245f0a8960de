// Package pcap reads classic pcap files, whole ones from memory; not pcapng. Time stamps of microseconds and nanoseconds,
// either byte order.
package pcap

import (
	"encoding/binary"
	"fmt"

	"reelsense.dev/go/reelsense"
)

const (
	fileHeader   = 24
	recordHeader = 16
	second       = 1_000_000_000
)

// Read gives a capture's link type and its frames, whose data are those of file. A record whose fraction is a whole
// second or more is left out; a record that is cut ends the capture.
func Read(file []byte) (reelsense.LinkType, []reelsense.Frame, error) {
	if len(file) < fileHeader {
		return 0, nil, fmt.Errorf("pcap: %d bytes, a header of %d is expected", len(file), fileHeader)
	}
	order, unit, err := format(file)
	if err != nil {
		return 0, nil, err
	}
	link := reelsense.LinkType(order.Uint32(file[20:]) & 0xffff)
	var frames []reelsense.Frame
	for at := fileHeader; len(file)-at >= recordHeader; {
		seconds, fraction := int64(order.Uint32(file[at:])), int64(order.Uint32(file[at+4:]))
		captured, wire := int64(order.Uint32(file[at+8:])), order.Uint32(file[at+12:])
		at += recordHeader
		if captured > int64(len(file)-at) {
			break
		}
		data := file[at : at+int(captured)]
		at += int(captured)
		if fraction*unit < second {
			frames = append(frames, reelsense.Frame{TimeNS: seconds*second + fraction*unit, Data: data, WireBytes: wire})
		}
	}
	return link, frames, nil
}

// format tells the byte order and the unit of the fractions, in nanoseconds.
func format(file []byte) (binary.ByteOrder, int64, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(file) {
		case 0xa1b2c3d4:
			return order, 1000, nil
		case 0xa1b23c4d:
			return order, 1, nil
		}
	}
	return nil, 0, fmt.Errorf("pcap: begins with % x, not with the magic of a classic pcap", file[:4])
}
