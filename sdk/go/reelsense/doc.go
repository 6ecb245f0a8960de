// Package reelsense tells, every second and for every flow, whether encrypted traffic is video, from packet sizes and
// times or from the bytes an app reads and writes alone, and what an app or network should do about it.
//
// It is the device tier of Reelsense over its C ABI, compiled from the checkout by cgo: a C++20 compiler must be there,
// nothing else. A [Classifier] takes packets (view [ViewPacket]) or socket bytes (view [ViewSocket]) and the time, and
// gives windows (one second of one flow, labelled), seconds (the label of the whole session and QoS values) and ended
// flows to a [Handler]. It has no goroutine, timer or clock of its own: time is the caller's.
//
// # Threads
//
// A [Model] is immutable and may be used by any number of goroutines. A [Classifier] and a [FeedbackQueue] may be called
// from any goroutine; one call runs at a time and the others wait. A Handler is called by one goroutine at a time, in
// order, after the call that caused it, so it may call the classifier itself.
//
// # Memory
//
// Nothing is allocated per packet, read or write. What the C++ side holds is bounded by [Options] and stays outside the
// Go heap; Close gives it back.
package reelsense
