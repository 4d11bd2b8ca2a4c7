package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// whileChanging has an interrupt end the context of a change, which then takes away what it
// has made so far: killed, it would leave a file with passwords and a lock beside the
// database. A second interrupt kills.
func whileChanging(ctx context.Context, change func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := change(ctx)
	if err != nil && ctx.Err() != nil {
		return untried(errors.New("interrupted (nothing was changed)"))
	}
	return err
}
