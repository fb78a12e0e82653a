"""Between the kernel and a session's task: sockets, who is let in, PROXY headers, TLS, datagrams."""
