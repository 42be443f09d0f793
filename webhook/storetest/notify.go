package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var notifyChecks = []check{
	{name: "WakesTheOthers", needs: needNotify, run: func(e *env) {
		listener, sender := e.Store.(webhook.Notifier), e
		if e.Reopen != nil && !e.Features.Exclusive {
			sender = e.with(e.Reopen())
		}
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		woken := make(chan struct{}, 1)
		ended := make(chan error, 1)
		go func() {
			ended <- listener.Notify(ctx, func() {
				select {
				case woken <- struct{}{}:
				default:
				}
			})
		}()
		// Nobody says when it has begun to listen: what is received before is found
		// by polling, so this goes on until something is heard.
		for i := 0; ; i++ {
			sender.accepted(heard(ids("j", i+1)[i], ""), ids("j", i+1)[i])
			select {
			case <-woken:
			case err := <-ended:
				e.Fatalf("Notify has ended: %v", err)
			case <-time.After(200 * time.Millisecond):
				if i < 50 {
					continue
				}
				e.Fatalf("nothing was heard of %d records", i+1)
			}
			break
		}
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				e.Errorf("Notify: error %v, want %v", err, context.Canceled)
			}
		case <-time.After(soon):
			e.Errorf("Notify goes on %v after its context has ended", soon)
		}
	}},
}
