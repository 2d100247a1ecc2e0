package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// Monitor calls touched after each transaction in which another process changed our table, or in which it may have because
// notifications were lost, until ctx ends. It returns ctx's error unless it cannot listen.
func Monitor(ctx context.Context, touched func()) error {
	raw, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("listen to nftables: %w", explain(err))
	}
	defer raw.Close()
	_ = raw.SetReadBuffer(receiveBuffer)
	if err := raw.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("listen to nftables: %w", explain(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var w watcher
	for {
		list, err := raw.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.ENOBUFS):
			touched()
			continue
		case err != nil:
			return fmt.Errorf("listen to nftables: %w", err)
		}
		for _, m := range list {
			if w.message(m) {
				touched()
			}
		}
	}
}

// watcher follows the notifications of one transaction: its changes, then a new generation with the process that made it.
type watcher struct{ ours bool }

// message reports whether a transaction has ended in which a stranger changed our table.
func (w *watcher) message(m netlink.Message) bool {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES {
		return false
	}
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWGEN:
		foreign := w.ours && !self(m.Data)
		w.ours = false
		return foreign
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_NEWRULE,
		unix.NFT_MSG_DELRULE, unix.NFT_MSG_NEWSET, unix.NFT_MSG_DELSET, unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM:
		// In all of these the first attribute is the table's name.
		w.ours = w.ours || attributeText(m.Data, 1) == ruleset.Table
	}
	return false
}

// self reports whether a generation was made by a thread of this process. From within a PID namespace that cannot be told,
// because the kernel gives the number it has outside; then every change counts as a stranger's and costs one more look.
func self(gen []byte) bool {
	const header = 4
	if len(gen) < header {
		return false
	}
	d, err := netlink.NewAttributeDecoder(gen[header:])
	if err != nil {
		return false
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		if d.Type() == unix.NFTA_GEN_PROC_PID {
			_, err := os.Stat("/proc/self/task/" + strconv.FormatUint(uint64(d.Uint32()), 10))
			return err == nil
		}
	}
	return false
}
