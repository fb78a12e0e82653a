"""Devices that keep the protocol's rules (contract section 9), played over TCP against a server.

The modules in the order in which a simulation uses them:

    plan        what the operator asks, and when a frame is due
    frames      what a device sends: a recording, moved in time and place, or generated positions
    link        one TCP connection of a device
    device      one device: what it sends when, and what it does about an answer, or about none
    latencies   answer times in buckets
    tally       what all devices did, and what they write down
    simulation  all devices together, from the first connection to the summary
    assembly    puts it together
    report      the summary, for programs and for people
"""
