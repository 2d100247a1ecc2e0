package nft

import (
	"bytes"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// countRules counts the rules of each of the table's chains in one dump. google/nftables v0.3.0 cannot do so: it does not
// read its own "ct original" expressions back.
func countRules(raw *netlink.Conn) (map[string]int, error) {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: append([]byte(ruleset.Table), 0)},
	})
	if err != nil {
		return nil, err
	}
	list, err := raw.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE),
			Flags: netlink.Request | netlink.Dump},
		Data: append([]byte{byte(nftables.TableFamilyINet), unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	count := map[string]int{}
	for _, m := range list {
		if attributeText(m.Data, unix.NFTA_RULE_TABLE) == ruleset.Table {
			count[attributeText(m.Data, unix.NFTA_RULE_CHAIN)]++
		}
	}
	return count, nil
}

// attributeText finds an attribute of a message of the nftables subsystem.
func attributeText(data []byte, attr uint16) string {
	const header = 4
	if len(data) < header {
		return ""
	}
	b, err := child(data[header:], attr)
	if err != nil {
		return ""
	}
	return text(b)
}

// text is a string as the kernel writes it, with a zero at the end.
func text(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }
