# ours: folders of the test
# folders: Lists, Work/Old
# expect: fileinto Lists
# expect: fileinto Work/Old
# expect: fileinto New
require ["mailbox", "fileinto"];
if mailboxexists "Lists" { fileinto "Lists"; }
if mailboxexists ["Work/Old", "INBOX"] { fileinto "Work/Old"; }
if mailboxexists ["Lists", "None"] { fileinto "None"; }
fileinto :create "New";
