# expect: fileinto a
# a comment
/* another
   one */ require /* in */ "fileinto" # here
; fileinto /**/ "a";
