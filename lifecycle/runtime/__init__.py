"""What starts the product on one machine: embedded services, the supervisor and a local mailbox."""
