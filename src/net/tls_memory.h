#pragma once

namespace postern::net {

/// Gives OpenSSL's record and handshake buffers (4 KiB, and 16 to 21 KiB) memory of their own, outside the
/// heap.
///
/// A connection needs them only while octets move, its other 16 KiB as long as it lives. In one heap the
/// short-lived buffers of a thousand handshakes leave holes between the long-lived objects, and an idle
/// connection costs three times what it uses.
///
/// Threads  safe from any thread.
/// Limits   address space for 32768 buffers; beyond, and for every other size, the heap. Unused buffers go
/// back
///          to the system, except the 128 that were used last.
/// @return  false when OpenSSL has allocated before: then all stays on the heap, which works as well.
bool use_tls_buffer_memory();

}  // namespace postern::net
