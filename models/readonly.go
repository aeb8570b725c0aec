package models

import "sync/atomic"

// Why nothing can be saved.
const (
	WhyFull    = "disk full"             // a write found no room
	WhyFloor   = "free disk below floor" // there is room, and it is kept for what frees more
	WhyRefused = "disk refuses writes"   // an I/O error, or a file system that was made read-only
)

// space is whether the server can save.
type space struct{ state atomic.Value }

func (s *space) why() string {
	why, _ := s.state.Load().(string)
	return why
}
