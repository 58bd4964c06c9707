//! One body, compiled for each level of vector instructions, and chosen when it runs.

/// Defines a function whose body is compiled for AVX-512, for AVX2 with FMA and for the target's own level.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512($($arg: $ty),*) {
                    body($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) {
                    body($($arg),*);
                }
                match $crate::simd::level() {
                    $crate::simd::Level::Avx512 => {
                        // SAFETY: `level` has found these instructions on this processor.
                        #[expect(unsafe_code, reason = "calls code for instructions that were found at run time")]
                        return unsafe { avx512($($arg),*) };
                    }
                    $crate::simd::Level::Avx2 => {
                        // SAFETY: `level` has found these instructions on this processor.
                        #[expect(unsafe_code, reason = "calls code for instructions that were found at run time")]
                        return unsafe { avx2($($arg),*) };
                    }
                    $crate::simd::Level::Portable => {}
                }
            }
            body($($arg),*);
        }
    };
}

pub(crate) use vectorised;

/// What a processor can do.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "other processors have one level"))]
pub(crate) enum Level {
    /// AVX-512 (F, VL, DQ, BW).
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// What the target promises.
    Portable,
}

/// Returns what this processor can do.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        // The standard library caches the answer; this is a load and a test.
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Sixteen channels.
pub(crate) type Lanes = [f32; 16];

/// Returns what `f` gives for each lane. `std::array::from_fn` would do, but a larger closure is no longer inlined into it, and is then
/// compiled for the target's own level.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn each(f: impl Fn(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; 16];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = f(i);
    }
    lanes
}

/// Returns the sum, lane by lane.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn add(a: Lanes, b: Lanes) -> Lanes {
    each(|i| a[i] + b[i])
}

/// Returns the difference, lane by lane.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn sub(a: Lanes, b: Lanes) -> Lanes {
    each(|i| a[i] - b[i])
}

/// Returns the first lanes of a slice, zeros after its end.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn load(x: &[f32]) -> Lanes {
    if let Some(lanes) = x.first_chunk::<16>() {
        return *lanes;
    }
    let mut lanes = [0.0; 16];
    lanes[..x.len()].copy_from_slice(x);
    lanes
}

/// Writes as many lanes as the slice has room for.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of bodies that are compiled for several levels")]
pub(crate) fn store(lanes: Lanes, out: &mut [f32]) {
    if let Some(out) = out.first_chunk_mut::<16>() {
        *out = lanes;
        return;
    }
    let count = out.len();
    out.copy_from_slice(&lanes[..count]);
}
