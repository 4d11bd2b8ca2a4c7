package sasldb

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ntARMSystemCall is NT_ARM_SYSTEM_CALL of elf.h: the number of the call, which is
// no register.
const ntARMSystemCall = 0x404

// skipCall has the kernel make no call, at the entry of one.
func (p process) skipCall() error {
	number := int32(-1)
	vector := unix.Iovec{Base: (*byte)(unsafe.Pointer(&number)), Len: uint64(unsafe.Sizeof(number))}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(p), ntARMSystemCall, uintptr(unsafe.Pointer(&vector)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setResult says what the call returned, at its end.
func (p process) setResult(value int64) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(int(p), &r); err != nil {
		return err
	}
	r.Regs[0] = uint64(value)
	return unix.PtraceSetRegs(int(p), &r)
}
