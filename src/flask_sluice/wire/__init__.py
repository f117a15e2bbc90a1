"""What happens to bytes on their way out, whatever they mean. Sans-io."""
