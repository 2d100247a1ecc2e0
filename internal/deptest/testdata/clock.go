package clock

import "time"

func wait(until time.Time) {
	for time.Now().Before(until) {
		time.Sleep(time.Second)
	}
}
