package handlers

import (
	"errors"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
)

// hits counts the refusals for want of something since the start: tries, slow work, space. Numbers only.
type hits struct{ tries, busy, quota, disk atomic.Int64 }

// note counts a refusal. A fault of the same status is none: what is counted here is left out where faults raise an alarm.
func (h *hits) note(status int, err error, foreseen bool) {
	switch {
	case errors.Is(err, blobs.ErrQuota):
		h.quota.Add(1)
	case status == fiber.StatusTooManyRequests:
		h.tries.Add(1)
	case status == fiber.StatusServiceUnavailable && foreseen:
		h.busy.Add(1)
	case status == fiber.StatusInsufficientStorage && foreseen:
		h.disk.Add(1)
	}
}
