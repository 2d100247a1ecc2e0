package orchestrator

import (
	"sync"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/store"
)

// Subscribe starts a stream of all events from now on, the first being its own event_stream_attached.
func (o *Orchestrator) Subscribe(subscriber, role, remote string) httpapi.Subscription {
	if subscriber != "" {
		o.keepFollowers(o.followers.join(subscriber, role))
	}
	c, cancel := o.st.Subscribe(event(api.EventStreamAttached, o.opt.Now(), "", fields{"remoteAddress": remote}))
	var once sync.Once
	return httpapi.Subscription{C: c, Close: func() {
		once.Do(func() {
			cancel()
			if subscriber != "" {
				o.followers.leave(subscriber, o.opt.Now())
				o.nudge()
			}
			o.st.Publish(event(api.EventStreamDetached, o.opt.Now(), "", fields{"remoteAddress": remote}))
		})
	}}
}

// keepFollowers remembers who takes part in the handshake beyond a restart.
func (o *Orchestrator) keepFollowers(names map[string]string) {
	if names == nil {
		return
	}
	_, err := o.st.Update(func(tx *store.Tx) error {
		tx.SetFollowers(names)
		return nil
	})
	if err != nil {
		o.opt.Log.Warn("keep the list of followers", "error", err)
	}
}

// Ack takes in how far a follower has come. A follower whose stream is not up is none yet: its report is dropped.
func (o *Orchestrator) Ack(a api.Ack) error {
	if err := checkAck(a, o.st.Index()); err != nil {
		return err
	}
	if a.Leaving {
		if names := o.followers.forget(a.Subscriber); names != nil {
			o.keepFollowers(names)
		}
	} else if !o.followers.ack(a) {
		return nil
	}
	o.lookAtAcks()
	return nil
}

func (o *Orchestrator) lookAtAcks() {
	o.mu.Lock()
	for id := range o.acks {
		o.dirty[id] = struct{}{}
	}
	o.mu.Unlock()
	o.nudge()
}
