// OAuth 2.0 Form Post Response Mode §2: the answer goes back by itself; without scripts the person presses the button.
document.forms[0].submit();
