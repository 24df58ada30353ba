//! Phone calls in a few lines: SIP, SDP, RTP and SRTP behind one small async API.
