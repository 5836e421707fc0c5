"""What a person sees: from the text of a reply to a screen that stays safe and keeps up."""
