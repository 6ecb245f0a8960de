"""The traffic lab: real clients and servers in network namespaces, an emulated path, captures with truth."""
