package handlers

import (
	"errors"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
)

// hits counts the refusals for want of something since the start: tries, slow work, space. Numbers only.
type hits struct{ tries, busy, quota, disk atomic.Int64 }

func (h *hits) note(status int, err error) {
	switch {
	case errors.Is(err, blobs.ErrQuota):
		h.quota.Add(1)
	case status == fiber.StatusTooManyRequests:
		h.tries.Add(1)
	case status == fiber.StatusServiceUnavailable:
		h.busy.Add(1)
	case status == fiber.StatusInsufficientStorage:
		h.disk.Add(1)
	}
}
