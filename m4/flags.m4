# OCIRUN_ADD_FLAGS(VARIABLE, COMPILE|LINK, FLAGS...)
# ---------------------------------------------------
# Append each flag that the compiler (or linker) accepts without a warning.
AC_DEFUN([OCIRUN_ADD_FLAGS], [
  for ocirun_flag in $3; do
    AS_VAR_PUSHDEF([cache], [ocirun_cv_flag_$ocirun_flag])
    AC_CACHE_CHECK([whether $CC accepts $ocirun_flag], [cache], [
      ocirun_saved_CFLAGS=$CFLAGS
      ocirun_saved_LDFLAGS=$LDFLAGS
      m4_if([$2], [LINK], [LDFLAGS="$LDFLAGS -Werror $ocirun_flag"], [CFLAGS="$CFLAGS -Werror $ocirun_flag"])
      m4_if([$2], [LINK],
        [AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])],
        [AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])])
      CFLAGS=$ocirun_saved_CFLAGS
      LDFLAGS=$ocirun_saved_LDFLAGS
    ])
    AS_VAR_IF([cache], [yes], [$1="$$1 $ocirun_flag"])
    AS_VAR_POPDEF([cache])
  done
])
