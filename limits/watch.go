package limits

import "time"

// Outcome is how one Acquire ended: Err is nil, a *BusyError, ErrTooHeavy or the context's own.
type Outcome struct {
	Class  Class
	Waited time.Duration
	Err    error
}

// Watch has f told of every Acquire from now on, on the caller's goroutine. Call it before the first one.
func (b *Budget) Watch(f func(Outcome)) { b.watch = f }

// BudgetState is what goes on at one moment; Held and Total are bytes.
type BudgetState struct {
	Running, Waiting int
	Held, Total      int64
}

// State looks.
func (b *Budget) State() BudgetState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetState{Running: b.running, Waiting: len(b.waiting), Held: b.shared + b.logins, Total: b.total}
}

// String names a class as logs and metrics do.
func (c Class) String() string {
	switch c {
	case Guest:
		return "guest"
	case User:
		return "user"
	}
	return "login"
}
