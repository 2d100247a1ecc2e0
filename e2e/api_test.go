//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Apps that never got a task are deleted many at a time: every deployment ends, none is left as a lock.
func TestManyDeletionsEnd(t *testing.T) {
	c := newCluster(t, "process")
	for range 4 {
		var group sync.WaitGroup
		for i := range 25 {
			id := fmt.Sprintf("/wait/%d", i)
			c.must("POST", "/v2/apps", app{"id": id, "cmd": "true", "acceptedResourceRoles": []string{"nobody-has-it"},
				"portDefinitions": []app{}})
			group.Go(func() { c.call("DELETE", "/v2/apps"+id, nil) })
		}
		group.Wait()
	}
	eventually(t, 30*time.Second, "no deployment is left", func() error {
		_, data := c.call("GET", "/v2/deployments", nil)
		return expect(strings.TrimSpace(string(data)) == "[]", "%.300s", data)
	})
}
