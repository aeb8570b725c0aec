// Package e2e holds tests only: they build the program as people get it, start
// it as a process of its own, and use it through its socket with an HTTP
// client, a real browser, age and gpg.
//
// Tests named TestBulk* move gigabytes or need minutes. What a test needs and
// is not on the machine (tools/deps.sh installs it) makes the test skip itself
// by name, but with CI=true it fails.
package e2e
