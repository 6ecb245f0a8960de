//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package reelsense

import (
	"fmt"
	"os"
	"syscall"
)

// mapping is a file in memory, locked against other programs and other mappings of it.
type mapping struct {
	file  *os.File
	bytes []byte
}

// mapFile maps the file, at its size; a new or empty one is filled with zeros to size. An interrupted fill leaves a short
// file of zeros, which is filled up: only a file of zeros is ever grown.
func mapFile(path string, size int) (*mapping, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m := &mapping{file: file}
	if err := m.lockAndMap(size); err != nil {
		_ = file.Close()
		return nil, err
	}
	return m, nil
}

func (m *mapping) lockAndMap(size int) error {
	path := m.file.Name()
	if err := syscall.Flock(int(m.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return &Error{"lock " + path, ErrBusy, "another feedback queue has the file: " + err.Error()}
	}
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	have := int(info.Size())
	if have < size {
		zeros, err := isZero(m.file, have)
		if err != nil {
			return err
		}
		if zeros {
			if err := fill(m.file, have, size); err != nil {
				return err
			}
			have = size
		}
	}
	if have == 0 {
		return fmt.Errorf("%s is empty", path)
	}
	m.bytes, err = syscall.Mmap(int(m.file.Fd()), 0, have, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap "+path, err)
	}
	return nil
}

func isZero(file *os.File, size int) (bool, error) {
	bytes := make([]byte, size)
	if _, err := file.ReadAt(bytes, 0); err != nil {
		return false, err
	}
	for _, b := range bytes {
		if b != 0 {
			return false, nil
		}
	}
	return true, nil
}

// fill writes real zeros: a hole would become a bus error when the disk is full.
func fill(file *os.File, from, to int) error {
	zeros := make([]byte, 64<<10)
	for at := from; at < to; at += len(zeros) {
		n := to - at
		if n > len(zeros) {
			n = len(zeros)
		}
		if _, err := file.WriteAt(zeros[:n], int64(at)); err != nil {
			_ = file.Truncate(int64(from))
			return err
		}
	}
	return file.Sync()
}

// close writes the memory back, and lets the file and its lock go.
func (m *mapping) close() error {
	err := syscall.Munmap(m.bytes)
	if e := m.file.Sync(); err == nil {
		err = e
	}
	if e := m.file.Close(); err == nil {
		err = e
	}
	return err
}
