"""What a running instance answers to operators' requests (contract sections 10 and 12).

Nothing that can be asked loses data, stops the service, or slows it by more than it takes to describe some hundred
devices. The requests come from the chassis' responder; `answers` has the table of them, `ports` what is asked of the
sessions.
"""
