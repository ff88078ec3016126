// Package initd is PID 1 of a container: it starts one command for its client, reaps what is orphaned, passes signals
// on, and kills everything when the client is gone. It is the whole of cmd/caisson-init and used by nothing else.
//
// It runs as root of the container and starts the command as another user. Every run pays for its start, so it keeps
// away from packages that cost time before main: fmt, net, encoding/json and the like.
//
// Three goroutines share the work: one reads the socket, one reaps, and the main one decides. None of them is joined,
// because the process, and with it the whole PID namespace, ends when the main one does.
package initd
