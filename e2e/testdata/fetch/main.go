// Fetch asks a URL until it answers, prints the answer, and stays. It stands for curl in images without anything else; names
// are resolved as /etc/resolv.conf says.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "expected a URL")
		os.Exit(2)
	}
	c := http.Client{Timeout: 2 * time.Second}
	for range 600 {
		resp, err := c.Get(os.Args[1])
		if err != nil {
			fmt.Println("not yet:", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		fmt.Printf("status %d, error %v, body %s\n", resp.StatusCode, err, body)
		break
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
}
