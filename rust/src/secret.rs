//! Memory for keys and PINs: never swapped and in no core dump, if the system permits, and overwritten
//! when it is no longer wanted.
//!
//! Each secret has pages of its own, as locking counts in pages: what shared one would be unlocked with it.

use std::io;
use std::ptr::NonNull;

use zeroize::Zeroize;

/// Bytes that nobody else should see.
pub struct Secret {
    start: NonNull<u8>,
    len: usize,
    mapped: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone, and are reached through it only.
unsafe impl Send for Secret {}
// SAFETY: through a shared reference they are only read, save by `erase`, whose caller answers for that.
unsafe impl Sync for Secret {}

impl Secret {
    /// A secret of so many zeros.
    ///
    /// # Errors
    /// There is no memory.
    pub fn zeros(len: usize) -> io::Result<Self> {
        let (start, mapped, locked) = pages::map(len.max(1))?;
        Ok(Self {
            start,
            len,
            mapped,
            locked,
        })
    }

    /// A secret of several parts, one after the other.
    ///
    /// # Errors
    /// There is no memory.
    pub fn joined(parts: &[&[u8]]) -> io::Result<Self> {
        let mut made = Self::zeros(parts.iter().map(|part| part.len()).sum())?;
        let mut rest = made.bytes_mut();
        for part in parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        Ok(made)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped from `start` on, and initialized: pages begin as zeros.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has a reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Whether the system has promised not to swap it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Where its bytes begin, for a buffer that outlives no `Secret`.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Overwrites it with zeros.
    ///
    /// # Safety
    /// Nobody reads it meanwhile in another thread.
    pub unsafe fn erase(&self) {
        // SAFETY: as in `bytes`; that nobody reads is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        pages::unmap(self.start, self.mapped, self.locked);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Secret({})", self.len)
    }
}

/// Keeps the process out of core dumps and away from debuggers, if the system can; whether it did.
#[must_use]
pub fn forbid_dumps() -> bool {
    pages::forbid_dumps()
}

#[cfg(unix)]
mod pages {
    use super::{NonNull, io};

    pub(super) fn map(len: usize) -> io::Result<(NonNull<u8>, usize, bool)> {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let mapped = len.div_ceil(page) * page;
        // SAFETY: new pages at a place of the system's choice; the result is looked at below.
        let found = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if found == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: these pages were mapped above.
        let locked = unsafe { libc::mlock(found, mapped) } == 0;
        #[cfg(target_os = "linux")]
        // SAFETY: likewise; a failure leaves them in dumps, which `forbid_dumps` keeps from being made.
        unsafe {
            libc::madvise(found, mapped, libc::MADV_DONTDUMP);
        }
        let start = NonNull::new(found.cast()).ok_or_else(|| io::Error::other("no memory"))?;
        Ok((start, mapped, locked))
    }

    pub(super) fn unmap(start: NonNull<u8>, mapped: usize, locked: bool) {
        // SAFETY: the pages that `map` gave, given back once.
        unsafe {
            if locked {
                libc::munlock(start.as_ptr().cast(), mapped);
            }
            libc::munmap(start.as_ptr().cast(), mapped);
        }
    }

    pub(super) fn forbid_dumps() -> bool {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the structure is whole and outlives the call.
        let done = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } == 0;
        #[cfg(target_os = "linux")]
        let done = {
            let (off, unused) = (0 as libc::c_ulong, 0 as libc::c_ulong);
            // SAFETY: takes numbers only.
            done & (unsafe { libc::prctl(libc::PR_SET_DUMPABLE, off, unused, unused, unused) } == 0)
        };
        done
    }
}

#[cfg(not(unix))]
mod pages {
    use super::{NonNull, io};

    pub(super) fn map(len: usize) -> io::Result<(NonNull<u8>, usize, bool)> {
        let bytes: &'static mut [u8] = Box::leak(vec![0; len].into_boxed_slice());
        Ok((NonNull::from(&mut bytes[0]), len, false))
    }

    pub(super) fn unmap(start: NonNull<u8>, mapped: usize, _locked: bool) {
        // SAFETY: what `map` leaked, taken back once.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(start.as_ptr(), mapped)) });
    }

    pub(super) fn forbid_dumps() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined() {
        let made = Secret::joined(&[b"one", b"", b"two"]).expect("memory");
        assert_eq!(made.bytes(), b"onetwo");
        assert_eq!(format!("{made:?}"), "Secret(6)");
    }

    #[test]
    fn nothing_is_a_secret_too() {
        assert_eq!(Secret::joined(&[]).expect("memory").bytes(), b"");
    }

    #[test]
    fn a_secret_may_be_longer_than_a_page() {
        let long = vec![7; 10_000];
        assert_eq!(Secret::joined(&[&long]).expect("memory").bytes(), &long[..]);
    }

    #[test]
    fn what_was_erased_is_zeros() {
        let made = Secret::joined(&[b"secret"]).expect("memory");
        // SAFETY: there is one thread here.
        unsafe { made.erase() };
        assert_eq!(made.bytes(), [0; 6]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_pages_are_locked_and_in_no_dump() {
        let made = Secret::joined(&[b"secret"]).expect("memory");
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux tells its maps");
        let at = made.as_ptr() as usize;
        let flags = maps
            .split("VmFlags:")
            .zip(maps.split("VmFlags:").skip(1))
            .find(|(head, _)| {
                let line = head
                    .lines()
                    .rfind(|line| line.contains('-') && line.contains("p "));
                line.and_then(|line| line.split_once(' '))
                    .and_then(|(range, _)| range.split_once('-'))
                    .is_some_and(|(from, to)| {
                        let number = |text| usize::from_str_radix(text, 16).unwrap_or(0);
                        number(from) <= at && at < number(to)
                    })
            })
            .map(|(_, rest)| rest.lines().next().unwrap_or_default())
            .expect("its pages are mapped");
        assert!(flags.contains(" dd"), "{flags}");
        assert_eq!(flags.contains(" lo"), made.is_locked(), "{flags}");
    }
}
