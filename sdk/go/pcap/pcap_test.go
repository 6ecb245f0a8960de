package pcap

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// file writes a capture: its magic, then records of seconds, fraction, captured length, wire length.
func file(order binary.ByteOrder, magic uint32, records ...[4]uint32) []byte {
	var b bytes.Buffer
	put := func(v uint32) { _ = binary.Write(&b, order, v) }
	for _, v := range []uint32{magic, 4<<16 | 2, 0, 0, 65535, 0xf0000065} { // LINKTYPE_RAW and an FCS length above it
		put(v)
	}
	for _, r := range records {
		for _, v := range r {
			put(v)
		}
		b.Write(make([]byte, r[2]))
	}
	return b.Bytes()
}

func TestRead_OrdersAndUnits(t *testing.T) {
	for _, c := range []struct {
		order binary.ByteOrder
		magic uint32
		want  int64
	}{
		{binary.LittleEndian, 0xa1b2c3d4, 7_000_042_000},
		{binary.BigEndian, 0xa1b2c3d4, 7_000_042_000},
		{binary.LittleEndian, 0xa1b23c4d, 7_000_000_042},
		{binary.BigEndian, 0xa1b23c4d, 7_000_000_042},
	} {
		link, frames, err := Read(file(c.order, c.magic, [4]uint32{7, 42, 3, 90}))
		if err != nil || link != 101 || len(frames) != 1 {
			t.Fatal(link, frames, err)
		}
		if f := frames[0]; f.TimeNS != c.want || len(f.Data) != 3 || f.WireBytes != 90 {
			t.Errorf("%+v, time %d expected", f, c.want)
		}
	}
}

func TestRead_OddRecords(t *testing.T) {
	whole := file(binary.LittleEndian, 0xa1b2c3d4, [4]uint32{1, 1_000_000, 1, 1}, [4]uint32{2, 999_999, 1, 1}, [4]uint32{3, 0, 9, 9})
	_, frames, err := Read(whole)
	if err != nil || len(frames) != 2 || frames[0].TimeNS != 2_999_999_000 {
		t.Errorf("a fraction of a whole second is left out: %+v, %v", frames, err)
	}
	for cut := range whole {
		_, frames, err := Read(whole[:cut])
		if (err != nil) != (cut < 24) || len(frames) > 2 {
			t.Errorf("cut at %d: %d frames, %v", cut, len(frames), err)
		}
	}
	if _, _, err := Read(file(binary.LittleEndian, 0x0a0d0d0a)); err == nil {
		t.Error("pcapng was taken")
	}
	huge := file(binary.LittleEndian, 0xa1b2c3d4, [4]uint32{1, 0, 0, 0})
	binary.LittleEndian.PutUint32(huge[24+8:], 0xffffffff)
	if _, frames, err := Read(huge); err != nil || len(frames) != 0 {
		t.Error(frames, err)
	}
}
