package haproxy

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"berth/mlb/plan"
)

// SetCertificate gives the running worker new content for a certificate that its configuration names, without a reload
// (management guide section 9.3, "set ssl cert"). data holds certificates and key as PEM. On any error the old content
// stays in use.
func (h *HAProxy) SetCertificate(ctx context.Context, path string, data []byte) error {
	payload, err := flatPEM(data)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", path, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil // it will read the file when it starts
	}
	_, err = h.sock.send(ctx, []plan.Command{{Line: "set ssl cert " + path, Payload: payload,
		Want: []string{"Transaction created", "Transaction updated"}}})
	if err == nil {
		err = h.sock.commitCertificate(ctx, path)
	}
	if err != nil {
		_, _ = h.sock.worker(ctx, "abort ssl cert "+path) // there may be nothing to abort
		return fmt.Errorf("certificate %s: %w", path, err)
	}
	return nil
}

func (s *sockets) commitCertificate(ctx context.Context, path string) error {
	line := "commit ssl cert " + path
	answer, err := s.worker(ctx, line)
	if err == nil && !strings.HasSuffix(answer, "Success!") {
		err = &CommandError{line, answer}
	}
	return err
}

// flatPEM writes PEM blocks without what stands between them: an empty line would end the command.
func flatPEM(data []byte) (string, error) {
	var b bytes.Buffer
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		block.Headers = nil
		if err := pem.Encode(&b, block); err != nil {
			return "", err
		}
	}
	switch {
	case b.Len() == 0:
		return "", errors.New("expected PEM blocks")
	case b.Len() > maxLine:
		return "", fmt.Errorf("%d bytes: expected at most %d for a change at run time", b.Len(), maxLine)
	}
	return b.String(), nil
}
