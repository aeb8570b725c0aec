package models

// What administrators do. The names are for records and never change.
const (
	ActInvite      = "invite"
	ActUninvite    = "uninvite"
	ActAdd         = "add" // on the command line
	ActSuspend     = "suspend"
	ActResume      = "resume"
	ActEndSessions = "end_sessions"
	ActQuota       = "quota"
	ActMakeAdmin   = "make_admin"
	ActUnmakeAdmin = "unmake_admin"
	ActResetFactor = "reset_factor"
	ActDelete      = "delete"
)

// Act is something that an administrator did.
type Act struct {
	What    string // ActInvite and so on
	By      ID     // zero: the command line
	Account ID     // to whom; zero: to nobody
}
