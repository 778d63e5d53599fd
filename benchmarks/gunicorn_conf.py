"""Settings of gunicorn for the peers: those of app/gunicorn_conf.py, without its imports."""

import os

worker_class = "gthread"
keepalive = 75
timeout = 300
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - as the product's
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
