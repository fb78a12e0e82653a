"""What a running instance answers to operators' requests (contract section 10).

Nothing that can be asked loses data, stops the service, or slows it by more than one look into the table. The requests
come from the chassis' responder; `answers` has the table of them.
"""
