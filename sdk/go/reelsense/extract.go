package reelsense

import (
	"fmt"

	"reelsense.dev/go/internal/capi"
)

// Series is the packets (ViewPacket: IP lengths on the wire) or reads and writes (ViewSocket: bytes) of one flow, in
// the order of their times, column by column. The columns have one length.
type Series struct {
	TimesNS    []int64
	Bytes      []uint32
	Directions []Direction
}

// Append adds one.
func (s *Series) Append(timeNS int64, bytes uint32, direction Direction) {
	s.TimesNS = append(s.TimesNS, timeNS)
	s.Bytes = append(s.Bytes, bytes)
	s.Directions = append(s.Directions, direction)
}

// Rows are feature vectors, one for each second that had any packet.
type Rows struct {
	Width    int       // features in a row
	Seconds  []int64   // [n]
	Features []float32 // row-major [n, Width]
	Bins     []uint32  // row-major [n, Bins]
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.Seconds) }

// Row is the feature vector of row i.
func (r *Rows) Row(i int) []float32 { return r.Features[i*r.Width : (i+1)*r.Width] }

// RowBins are the byte counts of row i.
func (r *Rows) RowBins(i int) []uint32 { return r.Bins[i*Bins : (i+1)*Bins] }

// Extract gives the feature vectors of one flow, for training and analysis: the same code, and so the same bits, as a
// Classifier's. A time before its predecessor's counts as that one. Safe for concurrent use.
func Extract(view View, series Series) (*Rows, error) {
	const op = "extract"
	n := len(series.TimesNS)
	if len(series.Bytes) != n || len(series.Directions) != n {
		return nil, &Error{op, ErrInvalidArgument, fmt.Sprintf("%d times, %d bytes and %d directions: one length is expected",
			n, len(series.Bytes), len(series.Directions))}
	}
	width := view.FeatureCount()
	if width == 0 {
		return nil, &Error{op, ErrInvalidArgument, "there is no view " + view.String()}
	}
	if n == 0 {
		return &Rows{Width: width}, nil
	}
	most := seconds(series.TimesNS)
	rows := &Rows{Width: width, Seconds: make([]int64, most), Features: make([]float32, most*width),
		Bins: make([]uint32, most*Bins)}
	count, status, text := capi.Extract(&rows.Features[0], &rows.Seconds[0], &rows.Bins[0], most, uint32(view),
		&series.TimesNS[0], &series.Bytes[0], (*uint8)(&series.Directions[0]), n)
	if err := failure(op, status, text); err != nil {
		return nil, err
	}
	rows.Seconds, rows.Features, rows.Bins = rows.Seconds[:count], rows.Features[:count*width], rows.Bins[:count*Bins]
	return rows, nil
}

// seconds counts the different ones; the rows are no more than that.
func seconds(timesNS []int64) int {
	const second = 1_000_000_000
	count, latest := 1, timesNS[0]
	for _, t := range timesNS[1:] {
		if t/second > latest/second {
			count++
		}
		if t > latest {
			latest = t
		}
	}
	return count
}
