/* Communication with a service manager (sd_notify(3), sd_listen_fds(3)). Without a service manager,
 * these do nothing. */
#ifndef DLV_OS_SERVICE_H
#define DLV_OS_SERVICE_H

/* Sends "READY=1", "STOPPING=1" and the like to NOTIFY_SOCKET. A failure is ignored. */
void service_notify(const char *state);

/* The sockets that LISTEN_FDS hands to this process: a listening TCP socket at *listener and a UDP
 * socket at *datagrams, -1 each where there is none. They are made non-blocking and closed on
 * exec. */
void service_sockets(int *listener, int *datagrams);

#endif
