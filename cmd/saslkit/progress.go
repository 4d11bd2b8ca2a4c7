package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A progress shows on a terminal how far long work has got. The zero progress, for
// where there is none, shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

// progress starts to show work of so many bytes or records; -1 if nobody knows. It
// has no colours, whatever NO_COLOR says.
func (s *stdio) progress(what string, total int64, options ...progressbar.Option) progress {
	if s.terminal == nil {
		return progress{}
	}
	options = append([]progressbar.Option{
		progressbar.OptionSetWriter(s.terminal),
		progressbar.OptionSetDescription(shown(what)),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(false),
		// Else the bar starts a goroutine that draws without a lock and may never end.
		progressbar.OptionSetSpinnerChangeInterval(0),
	}, options...)
	return progress{progressbar.NewOptions64(total, options...)}
}

func (p progress) add(n int) {
	if p.bar != nil {
		p.bar.Add(n)
	}
}

// done clears the line.
func (p progress) done() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar.Exit()
	}
}

// reader counts what is read through it.
func (p progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return io.TeeReader(r, p.bar)
}

// spin shows that something is going on which cannot be counted, until it is over.
func (s *stdio) spin(what string, work func() error) error {
	p := s.progress(what, -1, progressbar.OptionSpinnerType(14))
	if p.bar == nil {
		return work()
	}
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				p.add(1)
			}
		}
	}()
	err := work()
	close(over)
	<-stopped
	p.done()
	return err
}
