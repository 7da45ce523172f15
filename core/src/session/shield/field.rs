//! Arithmetic in GF(256), the field in which repairs are computed: bytes, addition by exclusive or, multiplication
//! modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d). Works on bytes and slices only; knows nothing of packets or symbols.
//!
//! Slices are multiplied bit by bit over 16 byte lanes and without tables: compilers turn that into vector code (SSE2
//! has all it needs), which on slices of 200 bytes beats a warm 64 KiB product table, and leaves the cache to others.

/// The reduction polynomial without its x^8 term.
const POLYNOMIAL: u8 = 0x1d;

/// Bytes multiplied at once: one SSE2 or NEON register.
const LANE: usize = 16;

/// The product of two field elements.
#[must_use]
pub const fn mul(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut power = a;
    let mut bit = 0;
    while bit < 8 {
        if b >> bit & 1 == 1 {
            product ^= power;
        }
        power = double(power);
        bit += 1;
    }
    product
}

/// The inverse of `a`: `mul(a, inv(a)) == 1`. Zero has none; it is answered with zero.
#[must_use]
pub const fn inv(a: u8) -> u8 {
    // The multiplicative group has 255 elements, so a^254 = a^-1. 254 = 0b1111_1110.
    let mut result = 1;
    let mut square = a;
    let mut bit = 1;
    while bit < 8 {
        square = mul(square, square);
        result = mul(result, square);
        bit += 1;
    }
    result
}

/// `dst ^= c * src`, over the length of the shorter.
pub fn mul_add(dst: &mut [u8], src: &[u8], c: u8) {
    let len = dst.len().min(src.len());
    let (dst, src) = (&mut dst[..len], &src[..len]);
    match c {
        0 => {}
        1 => dst.iter_mut().zip(src).for_each(|(d, s)| *d ^= s),
        _ => {
            let products = bit_products(c);
            let (dst_lanes, dst_rest) = dst.as_chunks_mut::<LANE>();
            let (src_lanes, src_rest) = src.as_chunks::<LANE>();
            for (d, s) in dst_lanes.iter_mut().zip(src_lanes) {
                *d = lane_mul_add(*d, *s, &products);
            }
            if !src_rest.is_empty() {
                let d = lane_mul_add(padded(dst_rest), padded(src_rest), &products);
                dst_rest.copy_from_slice(&d[..src_rest.len()]);
            }
        }
    }
}

/// `data = c * data`.
pub fn scale(data: &mut [u8], c: u8) {
    match c {
        0 => data.fill(0),
        1 => {}
        _ => {
            let products = bit_products(c);
            let (lanes, rest) = data.as_chunks_mut::<LANE>();
            for lane in lanes {
                *lane = lane_mul_add([0; LANE], *lane, &products);
            }
            if !rest.is_empty() {
                let scaled = lane_mul_add([0; LANE], padded(rest), &products);
                rest.copy_from_slice(&scaled[..rest.len()]);
            }
        }
    }
}

/// `x * a`.
const fn double(a: u8) -> u8 {
    (a << 1) ^ if a & 0x80 == 0 { 0 } else { POLYNOMIAL }
}

/// `c` times x^7, x^6, .. 1: what each bit of a factor contributes, highest bit first.
fn bit_products(c: u8) -> [u8; 8] {
    let mut products = [0; 8];
    let mut power = c;
    for product in products.iter_mut().rev() {
        *product = power;
        power = double(power);
    }
    products
}

/// `dst ^ c * src`, where `products` are the [`bit_products`] of `c`.
///
/// The sign of a byte, spread over the byte, selects the product of its highest bit; doubling the byte brings up the
/// next. Written over whole arrays because that becomes vector code; byte by byte over iterators it does not, and takes
/// four times as long.
#[inline(always)]
fn lane_mul_add(mut dst: [u8; LANE], mut src: [u8; LANE], products: &[u8; 8]) -> [u8; LANE] {
    for product in products {
        let selected = src.map(|s| (s.cast_signed() >> 7).cast_unsigned() & product);
        dst = std::array::from_fn(|at| dst[at] ^ selected[at]);
        src = src.map(|s| s.wrapping_add(s));
    }
    dst
}

/// The end of a slice, shorter than a lane, filled up with zeros.
#[inline(always)]
fn padded(rest: &[u8]) -> [u8; LANE] {
    let mut lane = [0; LANE];
    lane[..rest.len()].copy_from_slice(rest);
    lane
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_form_a_group_with_one_and_inverses() {
        for a in 0..=255 {
            assert_eq!(mul(a, 1), a);
            assert_eq!(mul(a, 0), 0);
            assert_eq!(mul(a, 2), double(a));
            assert_eq!(mul(a, inv(a)), u8::from(a != 0), "inverse of {a}");
            for b in 0..=255 {
                assert_eq!(mul(a, b), mul(b, a));
                assert!(a == 0 || b == 0 || mul(a, b) != 0, "{a} and {b} divide zero");
            }
        }
    }

    #[test]
    fn products_associate_and_distribute() {
        // Associativity and linearity over a basis (the eight powers of x) extend to all elements.
        for a in 0..=255 {
            for b in 0..=255 {
                for bit in 0..8 {
                    let c = 1 << bit;
                    assert_eq!(mul(mul(a, b), c), mul(a, mul(b, c)));
                    assert_eq!(mul(c, a ^ b), mul(c, a) ^ mul(c, b));
                }
            }
        }
    }

    #[test]
    fn powers_of_x_reach_every_element_but_zero() {
        let mut seen = [false; 256];
        let mut power = 1;
        for _ in 0..255 {
            assert!(!std::mem::replace(&mut seen[usize::from(power)], true));
            power = double(power);
        }
        assert_eq!(power, 1);
        assert!(!seen[0]);
    }

    #[test]
    fn slices_agree_with_bytes_for_every_factor_and_length() {
        let src: Vec<u8> = (0..=255).collect();
        for c in 0..=255 {
            let mut dst = vec![0x5a; 256];
            mul_add(&mut dst, &src, c);
            assert!(dst.iter().zip(&src).all(|(d, s)| *d == 0x5a ^ mul(*s, c)));
            let mut scaled = src.clone();
            scale(&mut scaled, c);
            assert!(scaled.iter().zip(&src).all(|(d, s)| *d == mul(*s, c)));
        }
        for len in 0..70 {
            let mut dst = [0; 70];
            mul_add(&mut dst, &src[100..100 + len], 0x9c);
            let mut scaled = src[100..100 + len].to_vec();
            scale(&mut scaled, 0x9c);
            assert_eq!(dst[..len], scaled);
            assert!(dst[len..].iter().all(|d| *d == 0), "bytes beyond the shorter slice stay");
        }
    }
}
