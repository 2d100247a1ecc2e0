// Package nft is the edge between rulesets and the kernel: it reads the one table of vip in this network namespace, applies
// batches to it, reads its counters and tells when somebody else touches it. It speaks netlink; no nft command is needed.
//
// A batch is one transaction. When its outcome is not known (ErrUncertain) the caller has to read the table again; when it is
// refused, the table is as it was.
package nft
